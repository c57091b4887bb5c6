"""Reads the tables of classes that annotation tools write: names, and colours or pixel values.

    _classes.csv      Roboflow: `Pixel Value, Class`
    class_dict.csv    CamVid and Kaggle: `name,r,g,b`
    labelmap.txt      CVAT and Datumaro: `# label:color_rgb:parts:actions`, then `cat:48,112,32::`
    colors.txt        Supervisely: `neutral 224 224 192`, then `cat 48 112 32`; 0 is the background
    label_colors.txt  Datumaro: `48 112 32 cat`

The kind is told by the content, whatever the file is called. The order of the lines is the order of
the class indices, except for pixels to ignore, which are called `__ignore__`, `ignore` or, by
Supervisely, `neutral`.
"""

from __future__ import annotations

import csv
import os
import re
from typing import TYPE_CHECKING, NamedTuple

from caffeformat import FormatError
from caffeformat.files import open_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Colour = tuple[int, int, int]

IGNORE_NAMES = ("__ignore__", "ignore")

# More than any list of class names has.
_MAX_BYTES = 1 << 20

_NAME_COLUMNS = ("name", "names", "class", "classes", "class_name", "class_names", "label")
_RED_GREEN_BLUE = (("r", "g", "b"), ("red", "green", "blue"))
_LABELMAP_LINE = re.compile(
    r"([^:]*):\s*(?:(\d{1,9})\s*,\s*(\d{1,9})\s*,\s*(\d{1,9}))?\s*:[^:]*:[^:]*"
)
_COLOURS_LINE = re.compile(r"(\S.*?)\s+(\d{1,9})\s+(\d{1,9})\s+(\d{1,9})")
_NAMED_COLOUR = re.compile(r"(\d{1,9})[\s,]+(\d{1,9})[\s,]+(\d{1,9})[\s,]+([^\d\s,].*)")


class ClassTable(NamedTuple):
    """The classes that a table lists, in the order of their indices."""

    names: list[str]
    colours: list[Colour]  # of each class, as labels show it; none if the table lacks them
    ignore: Colour | None  # the colour of pixels to ignore, if the table has one
    # The value of each class in grey labels; None where labels show colours
    values: list[int] | None = None
    # The class index of each of its lines, 255 for one to ignore
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
    header = [cell.lower() for cell in _cells(first)]
    if first.startswith("#") and "label:color_rgb" in first.replace(" ", ""):
        return _labelmap(lines, path)
    if header == ["pixel value", "class"]:
        return _pixel_values(lines[1:], path)
    for rgb in _RED_GREEN_BLUE:
        name = next((column for column in _NAME_COLUMNS if column in header), None)
        if name and set(rgb) <= set(header):
            columns = [header.index(column) for column in (name, *rgb)]
            return _named_columns(lines[1:], columns, path)
    if first.split()[0].lower() == "neutral" and _COLOURS_LINE.fullmatch(first):
        return _neutral_first(lines, path)
    return _colours_first(lines, path)


def _cells(line: str) -> list[str]:
    row = next(csv.reader([line], skipinitialspace=True), [])
    return [cell.strip() for cell in row]


def _labelmap(lines: Sequence[tuple[int, str]], path: str) -> ClassTable:
    rows = []
    for number, line in lines:
        if line.startswith("#"):
            continue
        match = _LABELMAP_LINE.fullmatch(line)
        if not match or not match.group(1).strip():
            raise FormatError(path, f"expected `label:r,g,b:parts:actions`, found {line!r}", number)
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
            raise FormatError(path, f"expected `value, class`, found {line!r}", number)
        rows.append((number, cells[1], [cells[0]] * 3))
    table = _table(rows, path)
    return table._replace(values=[colour[0] for colour in table.colours])


def _named_columns(
    lines: Iterable[tuple[int, str]], columns: Sequence[int], path: str
) -> ClassTable:
    rows = []
    for number, line in lines:
        cells = _cells(line)
        if len(cells) <= max(columns):
            raise FormatError(path, f"expected a name and a colour, found {line!r}", number)
        name, *colour = (cells[column] for column in columns)
        rows.append((number, name, colour))
    return _table(rows, path)


def _neutral_first(lines: Sequence[tuple[int, str]], path: str) -> ClassTable:
    rows = []
    for number, line in lines:
        match = _COLOURS_LINE.fullmatch(line)
        if not match:
            raise FormatError(path, f"expected `name r g b`, found {line!r}", number)
        name, *colour = match.groups()
        rows.append((number, IGNORE_NAMES[0] if number == lines[0][0] else name, colour))
    if not any(list(map(int, colour)) == [0, 0, 0] for _, _, colour in rows):
        # What no object covers stays black and is not listed.
        rows.insert(0, (lines[0][0], "background", ["0"] * 3))
    return _table(rows, path)


def _colours_first(lines: Sequence[tuple[int, str]], path: str) -> ClassTable | None:
    """The table if every line is a colour and a name, no two alike; else it may be a palette."""
    rows = []
    for number, line in lines:
        match = _NAMED_COLOUR.fullmatch(line)
        if line.startswith("#"):
            continue
        if not match:
            return None
        *colour, name = match.groups()
        rows.append((number, name, colour))
    for column in (1, 2):
        if len({str(row[column]).lower() for row in rows}) < len(rows):
            return None
    return _table(rows, path) if rows else None


def _table(rows: Iterable[tuple[int, str, Sequence[str]]], path: str) -> ClassTable:
    names: list[str] = []
    colours: dict[Colour, None] = {}
    lines: list[int] = []
    ignore = None
    for number, name, cells in rows:
        if not all(re.fullmatch(r"[0-9]{1,3}", cell) and int(cell) < 256 for cell in cells):
            found = ", ".join(cells)
            raise FormatError(path, f"expected values from 0 to 255, found {found}", number)
        colour = (int(cells[0]), int(cells[1]), int(cells[2]))
        if colour in colours or colour == ignore:
            raise FormatError(path, f"two classes have the value or colour {colour}", number)
        if name.lower() in IGNORE_NAMES:
            if ignore is not None:
                raise FormatError(path, "expected one class to ignore, found two", number)
            ignore = colour
            lines.append(255)
            continue
        lines.append(len(names))
        names.append(name)
        colours[colour] = None
    if not names:
        raise FormatError(path, "expected classes, found none")
    return ClassTable(names, list(colours), ignore, None, tuple(lines))
