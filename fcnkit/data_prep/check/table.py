"""A table of a dataset's images, one line each: size, problems, and the pixels of each class."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caffeformat import reading
from caffeformat.files import MOST_BYTES, open_text
from fcnkit.files import text_of, write_table
from fcnkit.images import IGNORE_LABEL

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .summary import Record

_FIXED = ("part", "image", "width", "height", "problems", "ignored")


class ImageRow(NamedTuple):
    """What the table says of one image."""

    part: str  # such as "train"
    id: str
    size: tuple[int, int] | None  # width, height; None where it could not be read
    problems: list[str]
    ignored: int  # pixels
    pixels: NDArray[np.int64]  # of each class


class ImageTable:
    """Collects records of images; `write` writes the table."""

    def __init__(self) -> None:
        self._records: list[tuple[str, Record]] = []

    def add(self, part: str, record: Record) -> None:
        """Add an image of a part of the dataset."""
        self._records.append((part, record))

    def write(self, path: str | os.PathLike[str], names: Sequence[str] | None = None) -> None:
        """Write a CSV; columns of classes are titled `<index> <name>`."""
        counted = [record.counts for _, record in self._records if record.counts is not None]
        highest = max(
            (int(np.flatnonzero(counts[:IGNORE_LABEL]).max(initial=-1)) for counts in counted),
            default=-1,
        )
        names = names or ()
        classes = range(max(highest + 1, len(names)))
        titles = [f"{i} {names[i] if i < len(names) else f'class {i}'}" for i in classes]
        rows: list[list[Any]] = [[*_FIXED, *titles]]
        for part, record in self._records:
            width, height = record.size or ("", "")
            problems = "; ".join(sorted({_text(problem) for problem, _ in record.problems}))
            counts = [0] * 256 if record.counts is None else record.counts.tolist()
            rows.append(
                [part, _text(record.id), width, height, problems, counts[IGNORE_LABEL]]
                + counts[: len(classes)]
            )
        write_table(path, rows)


def read_image_table(path: str | os.PathLike[str]) -> list[ImageRow]:
    """Read a table that `check_dataset` wrote; `InputError` where it is none."""
    with reading(path, "is not a table of images"):
        with open_text(path, MOST_BYTES, newline="") as file:
            try:
                rows = list(csv.reader(file))
            except csv.Error as error:
                raise ValueError(str(error)) from error
        if tuple(rows[0][: len(_FIXED)] if rows else ()) != _FIXED:
            raise ValueError(f"expected the columns {', '.join(_FIXED)}")
        return [_row(row) for row in rows[1:]]


def _row(cells: Sequence[str]) -> ImageRow:
    size = (int(cells[2]), int(cells[3])) if cells[2] else None
    problems = cells[4].split("; ") if cells[4] else []
    pixels = np.array([int(cell) for cell in cells[6:]], np.int64)
    return ImageRow(cells[0], text_of(cells[1]), size, problems, int(cells[5]), pixels)


def _text(name: str) -> str:
    """Return a name as text that can be written: bytes that are not UTF-8 become U+FFFD."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
