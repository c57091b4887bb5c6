"""Reads lists of classes in JSON and YAML, and lists whose lines begin with their index.

["road", "car"]    {"0": "road", "1": "car"}    {"road": 0, "car": 1}
{"id2label": ...}  {"names": ...}  {"labels": ...}      the same, under a key
{"classes": [{"title": "road", "color": "#804080"}]}    {"categories": [{"id": 0, "name": ...}]}
{"label_map": {"0": "road"}, "segmentation_colors": [[128, 64, 128]]}   Datumaro
names: [road, car]                                      YAML, in any of its plain forms
0 road    0: road    0,road    road 0    road=0         text
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from caffeformat import FormatError
from fcnkit.files import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Colour = tuple[int, int, int]

# What classes whose pixels are to be ignored are called; labelme puts the first one before class 0.
IGNORE_NAMES = ("__ignore__", "ignore")

# Index of pixels to ignore, which lists may name.
_IGNORE = 255

# Keys below which files have their classes, likeliest first.
_KEYS = ("id2label", "label2id", "names", "classes", "labels", "categories", "label_names")
_NAMES = ("name", "title", "label", "class_name", "readable", "class")
_IDS = ("id", "index", "trainId", "class_id", "label_id")
_COLOURS = ("color", "colour", "rgb", "hex")

# Not the first part of a number: `0.5 mm`, `1,000 lire`
_NUMBERED = re.compile(r"(\d{1,4})(?:\s*[:;)]|\s*[,.](?!\d)|(?=\s))\s*(?![:,;.)])(\S.*)")

_NUMBERED_END = re.compile(r"(\S.*?)(\s*[,;:=]\s*|\s+)(\d{1,4})")


class ListedClass(NamedTuple):
    """A class of a list: its name, and its colour if the list has one."""

    name: str
    colour: Colour | None = None


def listed_classes(text: str, path: str) -> list[ListedClass] | None:
    """The classes in JSON, in the order of their indices; None for other text.

    Raises `FormatError` for JSON that lists no classes, and for indices that are not 0, 1, 2, ...
    """
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        content = parse_json(text.encode(), path)
    except FormatError as error:
        advice = "write the names to a text file, one per line"
        raise FormatError(path, f"{error.problem}: {advice}") from error
    found = _classes_in(content)
    if found is None and isinstance(content, dict):
        found = _datumaros_classes(content)
    if found is None and isinstance(content, dict):
        found = next(filter(None, (_classes_in(content.get(key)) for key in _KEYS)), None)
    if not found:
        raise FormatError(
            path,
            'expected class names as JSON, such as a list or {"0": "background", ...}, found '
            "none: write them to a text file, one per line",
        )
    if found[0][0] is None and found[0][1].name.lower() == IGNORE_NAMES[0]:
        del found[0]  # which labelme stores as 255
    return in_order(found, path)


def in_order(
    found: Sequence[tuple[int | None, ListedClass]], path: str, advice: str = ""
) -> list[ListedClass]:
    """Classes by their indices, which all of them have or none.

    Those of index 255 are left out, as no class is stored so. Raises `FormatError`, which ends in
    `advice`, for indices that are not 0, 1, 2, ...
    """
    numbers = [number for number, _ in found if number is not None]
    if not numbers:
        return [one for _, one in found]
    kept = {number: one for number, one in found if number is not None and number != _IGNORE}
    if len(numbers) < len(found) or sorted(kept) != list(range(len(kept))):
        shown = ", ".join(map(str, sorted(numbers)[:6]))
        raise FormatError(
            path,
            f"its classes have the indices {shown}{', ...' if len(numbers) > 6 else ''}, expected "
            f"0 to {len(found) - 1}: write the names to a text file, one per line, in the order of "
            "the indices that the labels hold, class 0 first" + advice,
        )
    return [kept[number] for number in range(len(kept))]


def numbered_lines(lines: Sequence[str]) -> list[tuple[int | None, ListedClass]] | None:
    """(index, class) of lines that all begin with an index; None for other lines.

    One line alone, and indices of which two are equal, are names.
    """
    matches = [_NUMBERED.fullmatch(line.strip()) for line in lines]
    found = [(int(match.group(1)), match.group(2).strip("\"' ")) for match in matches if match]
    distinct = {number for number, _ in found}
    if len(found) < 2 or len(found) < len(lines) or len(distinct) < len(found):
        return None
    if all(re.fullmatch(r"[\d\s,;]+", name) for _, name in found):
        return None  # colours
    return [(number, ListedClass(name)) for number, name in found]


def numbered_ends(lines: Sequence[str]) -> list[tuple[int | None, ListedClass]] | None:
    """(index, class) of lines that all end in an index; None for other lines.

    After a blank alone only 0, 1, 2, ... in any order are indices, as names end in numbers, too.
    """
    matches = [_NUMBERED_END.fullmatch(line) for line in lines]
    found = [(int(match.group(3)), match.group(1)) for match in matches if match]
    names, numbers = {name for _, name in found}, {number for number, _ in found}
    if len(found) < max(2, len(lines)) or len(names) < len(found) or len(numbers) < len(found):
        return None
    if any(re.fullmatch(r"[\d\s,;:]+", name) for name in names):
        return None  # colours
    are_apart = all(match.group(2).strip() for match in matches if match)
    if not are_apart and numbers != set(range(len(found))):
        return None
    return [(number, ListedClass(name)) for number, name in found]


def unadorned(lines: Sequence[str]) -> list[str]:
    """Lines without the quotes or dashes that are around, or before, all of them."""
    for form in (r"- +(\S.*)", r'"\s*([^"\s][^"]*)"', r"'\s*([^'\s][^']*)'"):
        matches = [re.fullmatch(form, line) for line in lines]
        if lines and all(matches):
            return [match.group(1).strip() for match in matches if match]
    return list(lines)


def yaml_names(text: str) -> list[str] | None:
    """The list `names` in a plain YAML file, on one line or several, with indices or without.

    None if there is none, or if it is written in any other way.
    """
    match = re.search(
        r"^names:[ \t]*(.*(?:\n(?:[ \t]*-|[ \t]+[\"']?\d+[\"']?[ \t]*:).*)*)", text, re.M
    )
    if not match:
        return None
    block = match.group(1).strip()
    if block[:1] in ("[", "{"):
        whole = text[match.start(1) :]
        parts = whole.strip()[1:].partition("]" if block[0] == "[" else "}")[0].split(",")
    else:
        parts = [line for line in block.splitlines() if not line.strip().startswith("#")]
    names: list[str] = []
    for number, part in enumerate(parts):
        item = re.fullmatch(r"\s*(?:-\s+|[\"']?(\d+)[\"']?\s*:\s*)?([^#\[\]{}]*?)\s*(?:#.*)?", part)
        name = item.group(2).strip("'\"") if item else ""
        if not item or not name or (item.group(1) and int(item.group(1)) != number):
            return None
        names.append(name)
    return names if len(set(names)) == len(names) else None


def colour_in(value: Any) -> Colour | None:
    """A colour as tools write it: `#804080`, `128 64 128`, `(128, 64, 128)`, [128, 64, 128]."""
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(?:#|0x)?([0-9a-fA-F]{6})\s*", value)
        if match:
            return _bytes_of(int(match.group(1)[start : start + 2], 16) for start in (0, 2, 4))
        value = re.findall(r"\d+", value) if re.fullmatch(r"[\d\s,;()\[\]]+", value) else None
    if isinstance(value, (list, tuple)) and len(value) in (3, 4):
        try:
            return _bytes_of(int(part) for part in value[:3])
        except (TypeError, ValueError):
            return None
    return None


def _bytes_of(values: Iterable[int]) -> Colour | None:
    red, green, blue = values
    return (red, green, blue) if all(0 <= value <= 255 for value in (red, green, blue)) else None


def _classes_in(content: Any) -> list[tuple[int | None, ListedClass]] | None:
    """(index or None, class) of a JSON value that lists classes; None for any other."""
    if isinstance(content, list):
        found = [_class_in(entry) for entry in content]
        return [one for one in found if one is not None] if content and all(found) else None
    if not isinstance(content, dict) or not content:
        return None
    are_numbers = all(re.fullmatch(r"\d{1,4}", key) for key in content)
    if are_numbers and all(isinstance(value, str) for value in content.values()):
        return [(int(key), ListedClass(value)) for key, value in content.items()]
    if all(type(value) is int and 0 <= value < 10000 for value in content.values()):
        return [(value, ListedClass(key)) for key, value in content.items()]
    return None


def _datumaros_classes(
    content: Mapping[str, Any],
) -> list[tuple[int | None, ListedClass]] | None:
    """The classes of Datumaro's dataset_meta.json, which lists their colours apart, by index."""
    found, colours = _classes_in(content.get("label_map")), content.get("segmentation_colors")
    if not found or not isinstance(colours, list):
        return found
    shown = dict(enumerate(map(colour_in, colours)))
    return [(number, one._replace(colour=shown.get(number or 0))) for number, one in found]


def _class_in(entry: Any) -> tuple[int | None, ListedClass] | None:
    if isinstance(entry, str):
        return None, ListedClass(entry.strip())
    if not isinstance(entry, dict):
        return None
    name = next((entry[key] for key in _NAMES if isinstance(entry.get(key), str)), None)
    number = next((entry[key] for key in _IDS if type(entry.get(key)) is int), None)
    colour = next(filter(None, (colour_in(entry.get(key)) for key in _COLOURS)), None)
    return None if not name else (number, ListedClass(name.strip(), colour))
