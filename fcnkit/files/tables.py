"""CSV tables that spreadsheets open as tables, whatever the texts in them begin with."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from caffeformat import atomic_write

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

# A spreadsheet takes a cell that begins with one of these for a formula, and runs it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(value: Any) -> Any:
    """`value` for a cell: a text that would be taken for a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def write_table(path: str | os.PathLike[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write `rows` as CSV, atomically, a line per row; numbers stay as they are."""
    with atomic_write(path, "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([cell(value) for value in row] for row in rows)
