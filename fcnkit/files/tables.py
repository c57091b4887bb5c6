"""CSV tables that spreadsheets open as tables, whatever the texts in them begin with."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from caffeformat import atomic_write, printable

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

# A spreadsheet takes a cell that begins with one of these for a formula, and runs it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(value: Any) -> Any:
    """`value` for a cell: an apostrophe before a text that would be taken for a formula.

    Control characters are shown escaped, as everywhere.
    """
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if value.startswith(_FORMULA) else text


def text_of(found: str) -> str:
    """The text that `cell` was given, from a table that is read back."""
    return found[1:] if found[:1] == "'" and found[1:2] in _FORMULA else found


def write_table(path: str | os.PathLike[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write `rows` as CSV, atomically, a line per row; numbers stay as they are."""
    with atomic_write(path, "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([cell(value) for value in row] for row in rows)
