"""Class names: a text file with one name per line, the first line is class 0, or a tool's table."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from caffeformat import FormatError, InputError

from .class_lists import (
    IGNORE_NAMES,
    in_order,
    numbered_ends,
    numbered_lines,
    unadorned,
    yaml_names,
)
from .class_tables import class_table, read_text

if TYPE_CHECKING:
    from collections.abc import Sequence

# PASCAL VOC's 21 classes, as the DIGITS tutorial's file has them.
VOC_CLASSES = os.path.join(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "pascal-voc-classes.txt"
)

# Index 255 marks ignored pixels.
MAX_CLASSES = 255

_HEADERS = ("name", "names", "class", "classes", "class_name", "class_names", "label", "labels")


def read_class_names(path: str | os.PathLike[str]) -> list[str]:
    """Read the class names in the file `path`; `voc` means VOC's.

    The file holds one name per line, up to its first blank line, perhaps after its index, or is a
    table that an annotation tool wrote (see `class_tables`), a list in JSON, or `names` in YAML
    (see `class_lists`). labelme's first line, `__ignore__`, is not a class.

    Raises `InputError` if there is no such file, `FormatError` for what cannot be a list of names
    (a header, columns, colours), a name that occurs twice, indices that are not 0, 1, 2, ..., no
    name at all or more than 255.
    """
    path = VOC_CLASSES if path == "voc" else os.fspath(path)
    return names_in(read_text(path, "the class names"), path)


def names_in(text: str, path: str) -> list[str]:
    """The class names in a file's `text`; `path` is what errors call it.

    Raises as `read_class_names` does for a file of this content.
    """
    table = class_table(text, path)
    if table is None:
        names = _plain_names(text, path)
    elif table.values not in (None, list(range(len(table.names)))):
        values = ", ".join(map(str, (table.values or ())[:5]))
        raise FormatError(
            path,
            f"its classes have the pixel values {values}, expected 0 to {len(table.names) - 1}: "
            "write the names to another file, one per line, and use this one as the colour map",
        )
    else:
        names = table.names
    seen: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if name in seen:
            raise FormatError(path, f"class {name!r} is already on line {seen[name]}", number)
        seen[name] = number
    if not 1 <= len(names) <= MAX_CLASSES:
        raise FormatError(path, f"expected 1 to {MAX_CLASSES} class names, found {len(names)}")
    return names


def class_names_text(names: Sequence[str]) -> str:
    """The text of a file that `read_class_names` reads as these names, but for blanks around them.

    Their indices come first where lines of names alone would be read as something else (`1 euro`,
    `2 euro`). Raises `InputError` for names that cannot be written: with line breaks, empty, twice.
    """
    for number, name in enumerate(names):
        if not name.strip() or len(name.splitlines()) != 1:
            raise InputError(
                f"class {number} is called {name!r}, expected a name on one line: rename it, or "
                "pass other names with {option}",
                option="classes",
            )
    why = ""
    is_shifted = any(name.lower() == IGNORE_NAMES[0] for name in names)
    for form in ("{1}\n",) if is_shifted else ("{1}\n", "{0} {1}\n"):
        text = "".join(form.format(*numbered) for numbered in enumerate(names))
        try:
            if names_in(text, "the class names") == [name.strip() for name in names]:
                return text
        except FormatError as error:
            why = why or str(error)
    why = why or f"the class names {', '.join(map(repr, names[:3]))}, ... look like a table"
    raise InputError(f"{why}: rename it, or pass other names with {{option}}", option="classes")


def voc_class_names() -> list[str]:
    """PASCAL VOC's 21 class names, `background` first."""
    return read_class_names(VOC_CLASSES)


def _plain_names(text: str, path: str) -> list[str]:
    """The lines up to the first blank one; what comes after it is prose."""
    if re.search(r"^names:", text, re.MULTILINE):
        listed = yaml_names(text)
        if listed is None:
            raise FormatError(
                path,
                "expected `names` of a YAML file as a list, or with the indices 0, 1, 2, ...: "
                "write the names to a text file, one per line",
            )
        return listed
    names: list[str] = []
    for line in text.splitlines():
        if not line.strip():
            break
        names.append(line.strip())
    names = unadorned(names)
    if names and names[0].lower() == IGNORE_NAMES[0]:
        # labelme gives its first line the index -1 and stores it as 255.
        del names[0]
    numbered = numbered_lines(names) or numbered_ends(names)
    if numbered is not None:
        shown = f"`0 {names[0]}`, `1 {names[1]}`"
        advice = f"; if the numbers are parts of the names, begin with {shown}"
        return [one.name for one in in_order(numbered, path, advice)]
    _refuse_tables(names, path)
    return names


def _refuse_tables(names: list[str], path: str) -> None:
    """Raise `FormatError` if the lines cannot be names: a header, columns, colours or markup."""
    if not names:
        return
    first = names[0]
    if IGNORE_NAMES[0] in names:
        number = names.index(IGNORE_NAMES[0]) + 1
        raise FormatError(path, f"expected {IGNORE_NAMES[0]} on the first line only", number)
    for number, name in enumerate(names, 1):
        if name[0] == "#":
            raise FormatError(
                path, f"expected a class name, found the comment {name[:40]!r}: remove it", number
            )
        if re.search(r"[\x00-\x08\x0e-\x1f\x7f]", name):
            raise FormatError(path, f"expected a class name, found {name[:40]!r}", number)
    if re.fullmatch(r"item\s*\{", first):
        raise FormatError(
            path, "expected one class name per line, found TensorFlow's label map: write the names"
        )
    if first[0] in "{[<":
        raise FormatError(path, f"expected one class name per line, found {first[:40]!r}", 1)
    if all(re.fullmatch(r"[\d.]+(?:[\s,;:]+[\d.]+){2,3}", name) for name in names):
        raise FormatError(path, f"expected class names, found the colours of a colour map: {first}")
    cells = [cell.strip().strip('"').lower() for cell in re.split("[,;\t]", first)]
    if cells[0] in _HEADERS or (len(cells) > 1 and set(cells) & set(_HEADERS)):
        raise FormatError(path, f"expected a class name, found the header {first[:60]!r}", 1)
    for separator, what in ((",", "commas"), (";", "semicolons"), ("\t", "tabs")):
        counts = {name.count(separator) for name in names}
        if counts != {0} and len(counts) == 1:
            raise FormatError(
                path, f"expected one class name per line, found {what}: {first[:60]!r}", 1
            )
