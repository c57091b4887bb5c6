"""A training log that grows: each look reads and parses only what is new."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from caffeformat import open_file

from .curves import ITERATION, LONGEST_LINE, names_of, values_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from .curves import Row

_CHUNK = 1 << 20  # bytes
_LAST = 64  # bytes before the end of what was read, by which a replaced log is recognized


class LogReader:
    """The rows of the log at `path`, as `parse_log` returns them. Several threads may use it.

    A line that has no end yet is left for the next look. A log that was replaced is read anew.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._offset, self._last, self._mark = 0, b"", (0, 0)
        self._iteration: int | None = None
        self._raw: dict[int, dict[Any, float]] = {}
        self._numbers: dict[str, set[int]] = {}  # of the outputs' values
        self._rows: list[Row] = []

    def rows(self) -> Sequence[Row]:
        """Return all rows, by iteration; a later call does not change what was returned.

        Raises `InputError` where the log cannot be read.
        """
        with self._lock, open_file(self._path) as file:
            found = os.fstat(file.fileno())
            mark = (found.st_dev, found.st_ino)
            if mark != self._mark or not self._goes_on(file, found.st_size):
                self._begin()
                self._mark = mark
            if found.st_size > self._offset:
                self._read(file)
            return self._rows

    def _goes_on(self, file: BinaryIO, size: int) -> bool:
        """Whether the file still holds what was read, as far as its end says."""
        if size < self._offset:
            return False
        if size > self._offset:
            file.seek(self._offset - len(self._last))
            return file.read(len(self._last)) == self._last
        return True

    def _read(self, file: BinaryIO) -> None:
        first: int | None = None
        known = {name: len(numbers) for name, numbers in self._numbers.items()}
        file.seek(self._offset)
        rest = b""
        has_dropped = False
        while True:
            chunk = file.read(_CHUNK)
            whole, newline, end = chunk.rpartition(b"\n")
            if newline:
                read = rest + whole + newline
                self._offset += len(read)
                self._last = read[-_LAST:]
                rest = end
                text = read.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
                for line in text.split("\n"):
                    touched, dropped = self._add(line[:LONGEST_LINE])
                    has_dropped |= dropped
                    if touched is not None and (first is None or touched < first):
                        first = touched
            else:
                rest += end
            if len(rest) > _CHUNK:  # no line of a log
                self._offset, self._last, rest = self._offset + len(rest), rest[-_LAST:], b""
            if len(chunk) < _CHUNK:
                break
        if has_dropped or {name: len(each) for name, each in self._numbers.items()} != known:
            self._number_anew()
            first = 0
        if first is not None:
            self._name(first)

    def _add(self, line: str) -> tuple[int | None, bool]:
        """Take in one line; return (the iteration it changed or None, whether any were dropped)."""
        dropped = False
        found = ITERATION.search(line)
        if found:
            previous, self._iteration = self._iteration, int(found.group(1))
            if previous is not None and self._iteration < previous:
                later = [key for key in self._raw if key >= self._iteration]
                for key in later:
                    del self._raw[key]
                dropped = bool(later)
        if self._iteration is None:
            return None, False
        values = values_in(line)
        if not values:
            return None, dropped
        self._raw.setdefault(self._iteration, {}).update(values)
        for key in values:
            if isinstance(key, tuple):
                self._numbers.setdefault(key[0], set()).add(key[1])
        return self._iteration, dropped

    def _number_anew(self) -> None:
        self._numbers = {}
        for row in self._raw.values():
            for key in row:
                if isinstance(key, tuple):
                    self._numbers.setdefault(key[0], set()).add(key[1])

    def _name(self, first: int) -> None:
        """Bring the rows from iteration `first` on up to date."""
        names = names_of(self._numbers)
        keep = len(self._rows)
        while keep and self._rows[keep - 1]["iteration"] >= first:
            keep -= 1
        newer = []
        # Logs go forward, so that what is new stands at the end.
        for iteration in reversed(self._raw):
            if iteration < first:
                break
            newer.append(iteration)
        rows: list[Row] = [
            {
                "iteration": iteration,
                **{names.get(k, k): v for k, v in self._raw[iteration].items()},
            }
            for iteration in sorted(newer)
        ]
        self._rows = self._rows[:keep] + rows
