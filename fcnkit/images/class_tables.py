"""Reads the tables of classes that annotation tools write: names, and colours or pixel values.

    _classes.csv      Roboflow: `Pixel Value, Class`
    class_dict.csv    CamVid and Kaggle: `name,r,g,b`, or `name,color`; perhaps with an `id`
    labelmap.txt      CVAT and Datumaro: `# label:color_rgb:parts:actions`, then `cat:48,112,32::`
    colors.txt        Supervisely: `neutral 224 224 192`, then `cat 48 112 32`; 0 is the background
    class_mapping.csv V7: `class_name,class_color` with `48 112 32` or a value of grey labels
    label_colors.txt  Datumaro: `48 112 32 cat`
    classes.json      `{"classes": [{"title": "cat", "color": "#307020"}]}`

The kind is told by the content, whatever the file is called. The order of the lines is the order of
the class indices unless a column has them, except for pixels to ignore, which are called
`__ignore__`, `ignore` or, by Supervisely, `neutral`.
"""

from __future__ import annotations

import csv
import os
import re
from typing import TYPE_CHECKING, NamedTuple

from caffeformat import FormatError, brief, whole_number
from caffeformat.files import open_text

from .class_lists import IGNORE_NAMES, ListedClass, colour_in, in_order, listed_classes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Colour = tuple[int, int, int]

# More than any list of class names has.
_MAX_BYTES = 1 << 20

_NAME_COLUMNS = ("name", "names", "class", "classes", "class_name", "class_names", "label")
_RED_GREEN_BLUE = (("r", "g", "b"), ("red", "green", "blue"))
_ONE_COLOUR = (
    *("color", "colour", "class_color", "class_colour", "rgb", "color_rgb", "hex"),
    *("value", "pixel value", "pixel_value", "mask_value", "grey", "gray"),
)
_ID_COLUMNS = ("id", "idx", "index", "class_id", "label_id")
_LABELMAP_LINE = re.compile(
    r"(.*):\s*(?:(\d{1,9})\s*,\s*(\d{1,9})\s*,\s*(\d{1,9}))?\s*:[^:]*:[^:]*"
)
_COLOURS_LINE = re.compile(r"(\S.*?)[\s,;]+(\d{1,9})[\s,;]+(\d{1,9})[\s,;]+(\d{1,9})")
_INDEXED = re.compile(r"(\d{1,3})[\s,;:]+(\S.*)")
_NUMBER = re.compile(r"\d+\s*[:=)]?")
_NAMED_COLOUR = re.compile(r"(\d{1,9})[\s,]+(\d{1,9})[\s,]+(\d{1,9})[\s,]+([^\d\s,].*)")


class ClassTable(NamedTuple):
    """The classes that a table lists, in the order of their indices."""

    names: list[str]
    colours: list[Colour]  # of each class, as labels show it; none if the table lacks them
    ignore: Colour | None  # the colour of pixels to ignore, if the table has one
    # The value of each class in grey labels; None where labels show colours
    values: list[int] | None = None
    # The class index of each of its lines, 255 for one to ignore; none where labels cannot hold
    # the numbers of lines, as the table has other ids
    lines: tuple[int, ...] = ()


def read_text(path: str | os.PathLike[str], what: str) -> str:
    """Read a small text file in UTF-8; `what` is what errors call it.

    Raises `InputError` if there is no such file or it is none, `FormatError` for other text.
    """
    path = os.fspath(path)
    try:
        with open_text(path, encoding="utf-8-sig", newline="") as file:
            text = file.read(_MAX_BYTES + 1)
    except UnicodeDecodeError as error:
        raise FormatError(path, f"expected {what} as UTF-8 text, one per line") from error
    if len(text) > _MAX_BYTES:
        raise FormatError(path, f"expected {what}, found more than {_MAX_BYTES} characters")
    return text


def class_table(text: str, path: str) -> ClassTable | None:
    """The `ClassTable` in `text`, read from `path`; None if it is a table of no known kind.

    Raises `FormatError`, with the line, if it is of a known kind and damaged.
    """
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    lines = [(number, line) for number, line in lines if line]
    if not lines:
        return None
    first = lines[0][1]
    if first[0] in "{[":
        return _json_table(listed_classes(text, path) or [], path)
    delimiter = next((mark for mark in ("\t", ";") if mark in first), ",")
    header = [cell.lower() for cell in _cells(first, delimiter)]
    if first.startswith("#") and "label:color_rgb" in first.replace(" ", ""):
        return _labelmap(lines, path)
    if header == ["pixel value", "class"]:
        return _pixel_values(lines[1:], path)
    name = next((column for column in _NAME_COLUMNS if column in header), None)
    if name and len(header) > 1:
        return _named_columns(lines[1:], header, header.index(name), delimiter, path)
    if first.split()[0].lower() == "neutral" and _COLOURS_LINE.fullmatch(first):
        return _neutral_first(lines, path)
    match = _LABELMAP_LINE.fullmatch(first)
    if match and match.group(2) and match.group(1).strip():
        return _labelmap(lines, path)
    return _all_coloured(lines, path)


def _cells(line: str, delimiter: str = ",") -> list[str]:
    try:
        row = next(csv.reader([line], skipinitialspace=True, delimiter=delimiter), [])
    except csv.Error:  # more than 128 KiB in a cell, or NUL before Python 3.11
        row = [line]
    return [cell.strip() for cell in row]


def _labelmap(lines: Sequence[tuple[int, str]], path: str) -> ClassTable:
    rows = []
    for number, line in lines:
        if line.startswith("#"):
            continue
        match = _LABELMAP_LINE.fullmatch(line)
        if not match or not match.group(1).strip():
            raise FormatError(
                path, f"expected `label:r,g,b:parts:actions`, found {brief(line)}", number
            )
        name, *colour = match.groups()
        rows.append((number, name.strip(), colour))
    without = [(number, name) for number, name, colour in rows if colour[0] is None]
    if rows and len(without) == len(rows):
        names = [name for _, name in without]
        return ClassTable(names, [], None, None, tuple(range(len(names))))
    if without:
        number, name = without[0]
        raise FormatError(path, f"class {name!r} has no colour: add it as `r,g,b`", number)
    return _table(rows, path)


def _pixel_values(lines: Iterable[tuple[int, str]], path: str) -> ClassTable:
    rows = []
    for number, line in lines:
        cells = _cells(line)
        if len(cells) != 2 or not cells[1]:
            raise FormatError(
                path,
                f"expected `value, class`, found {brief(line)}: put quotes around the class",
                number,
            )
        rows.append((number, cells[1], [cells[0]] * 3))
    return _by_values(rows, path)


def _by_values(rows: Sequence[tuple[int, str, Sequence[str]]], path: str) -> ClassTable:
    """The table of rows with the value of each class in grey labels, in the order of the values."""
    first = [row[2][0] for row in rows]
    order = sorted(range(len(rows)), key=lambda at: whole_number(first[at]) or 0)
    table = _table([rows[place] for place in order], path)
    return table._replace(values=[colour[0] for colour in table.colours])


def _named_columns(
    lines: Iterable[tuple[int, str]], header: Sequence[str], name: int, delimiter: str, path: str
) -> ClassTable | None:
    """The table whose columns are called as in `header`; None if it has neither colours nor ids."""
    three = next((rgb for rgb in _RED_GREEN_BLUE if set(rgb) <= set(header)), ())
    one = next((header.index(column) for column in _ONE_COLOUR if column in header), None)
    colours = [header.index(column) for column in three]
    id_ = next((header.index(column) for column in _ID_COLUMNS if column in header), None)
    if not colours and one is None and id_ is None:
        return None
    rows: list[tuple[int, str, Sequence[str]]] = []
    ids = []
    for number, line in lines:
        cells = _cells(line, delimiter)
        if len(cells) <= max([name, *colours, one or 0, id_ or 0]) or not cells[name]:
            raise FormatError(path, f"expected {', '.join(header)}; found {brief(line)}", number)
        colour = [cells[column] for column in colours]
        if one is not None and not colours:
            found = colour_in(cells[one])
            if found is None and whole_number(cells[one]) is None:
                raise FormatError(path, f"expected a colour, found {cells[one]!r}", number)
            colour = [cells[one]] if found is None else list(map(str, found))
        rows.append((number, cells[name], colour))
        ids.append(cells[id_] if id_ is not None else "")
    if one is not None and not colours and all(len(row[2]) == 1 for row in rows):
        return _by_values([(number, name, list(value) * 3) for number, name, value in rows], path)
    numbers = [number for number in map(whole_number, ids) if number is not None]
    if len(numbers) == len(ids):
        return _by_ids(rows, numbers, path)
    return _table(rows, path) if colours or one is not None else None


def _by_ids(
    rows: Sequence[tuple[int, str, Sequence[str]]], ids: Sequence[int], path: str
) -> ClassTable:
    """The table of rows that have ids: in their order, if they are 0, 1, 2, ...

    Others, such as those of Cityscapes, say nothing where labels show colours; as the indices of
    labels, or without colours, they are an error.
    """
    order = sorted(range(len(rows)), key=ids.__getitem__)
    table = _table([rows[place] for place in order], path)
    if sorted(ids) == list(range(len(ids))):
        return table
    if not table.colours:
        in_order([(id_, ListedClass(row[1])) for id_, row in zip(ids, rows)], path)
    return table._replace(lines=())


def _json_table(classes: Sequence[ListedClass], path: str) -> ClassTable:
    """The table of a JSON list of classes, without colours unless all have one."""
    has_colours = all(one.colour is not None for one in classes)
    rows: list[tuple[int | None, str, Sequence[str]]] = []
    for one in classes:
        values = one.colour if has_colours and one.colour is not None else ()
        rows.append((None, one.name, [str(value) for value in values]))
    return _table(rows, path)


def _neutral_first(lines: Sequence[tuple[int, str]], path: str) -> ClassTable:
    rows = []
    for number, line in lines:
        match = _COLOURS_LINE.fullmatch(line)
        if not match:
            raise FormatError(path, f"expected `name r g b`, found {brief(line)}", number)
        name, *colour = match.groups()
        rows.append((number, IGNORE_NAMES[0] if number == lines[0][0] else name, colour))
    if not any(list(map(int, colour)) == [0, 0, 0] for _, _, colour in rows):
        # What no object covers stays black and is not listed.
        rows.insert(0, (lines[0][0], "background", ["0"] * 3))
    return _table(rows, path)


def _all_coloured(lines: Sequence[tuple[int, str]], path: str) -> ClassTable | None:
    """The table if every line is a colour and a name, no two alike; else it may be a palette."""
    rows = []
    for number, line in lines:
        if line.startswith("#"):
            continue
        match, other = _NAMED_COLOUR.fullmatch(line), _COLOURS_LINE.fullmatch(line)
        if match:
            *colour, name = match.groups()
        elif other and not _NUMBER.fullmatch(other.group(1)):
            name, *colour = other.groups()
        else:
            return None
        rows.append((number, name.strip("\"'"), colour))
    for column in (1, 2):
        if len({str(row[column]).lower() for row in rows}) < len(rows):
            return None
    return _in_order_of_indices(rows, path) if rows else None


def _in_order_of_indices(rows: Sequence[tuple[int, str, Sequence[str]]], path: str) -> ClassTable:
    """The table of rows, by the indices 0, 1, 2, ... if all of their names begin with these."""
    matches = [_INDEXED.fullmatch(name) for _, name, _ in rows]
    ids = [int(match.group(1)) for match in matches if match]
    if sorted(ids) != list(range(len(rows))):
        return _table(rows, path)
    names = [match.group(2) for match in matches if match]
    return _by_ids([(row[0], name, row[2]) for row, name in zip(rows, names)], ids, path)


def _table(rows: Iterable[tuple[int | None, str, Sequence[str]]], path: str) -> ClassTable:
    """The table of (line number or None, name, three values or none)."""
    names: list[str] = []
    colours: dict[Colour, None] = {}
    lines: list[int] = []
    ignore = None
    for number, name, cells in rows:
        # Without colours a class has the index of its place, whatever it is called.
        is_ignored = bool(cells) and name.lower() in IGNORE_NAMES
        lines.append(255 if is_ignored else len(names))
        if not is_ignored:
            names.append(name)
        if not cells:
            continue
        values = [re.sub(r"\.0+$", "", cell) for cell in cells]
        are_bytes = all(re.fullmatch(r"[0-9]{1,3}", cell) and int(cell) < 256 for cell in values)
        if not are_bytes or len(values) != 3:
            found = ", ".join(cells)
            raise FormatError(path, f"expected three values from 0 to 255, found {found}", number)
        colour = (int(values[0]), int(values[1]), int(values[2]))
        if colour in colours or colour == ignore:
            raise FormatError(path, f"two classes have the value or colour {colour}", number)
        if is_ignored and ignore is not None:
            raise FormatError(path, "expected one class to ignore, found two", number)
        if is_ignored:
            ignore = colour
        else:
            colours[colour] = None
    if not names:
        raise FormatError(path, "expected classes, found none")
    return ClassTable(names, list(colours), ignore, None, tuple(lines))
