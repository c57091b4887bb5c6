"""Converts the log of a training run into a CSV table each for its training and test phases.

parse_log.py of Caffe does the same.
"""

from __future__ import annotations

import contextlib
import csv
import datetime
import math
import os
import re
from typing import TYPE_CHECKING

from caffeformat import InputError, atomic_write
from caffeformat.files import MOST_BYTES, open_text

from .flags import Flag, Flags
from .main import expect_arguments

if TYPE_CHECKING:
    from collections.abc import Iterable

USAGE = "[FLAGS] LOGFILE OUTPUT_DIR"
FLAGS = [
    Flag("verbose", False, "print the paths of the files written"),
    Flag("delimiter", ",", "character between columns"),
]
_Row = dict[str, float]
_GLOG = re.compile(r"[IWEF](\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{6})\s")
_ITERATION = re.compile(r"Iteration (\d+)")
_RATE = re.compile(r"lr = (\S+)")
_LONGEST_LINE = 10_000  # characters; logs have no such lines, and patterns take their square
_OUTPUT = re.compile(r"(Train|Test) net output #\d+: (\S+) = (\S+)")


def run(flags: Flags, arguments: list[str]) -> None:
    """Write `LOGFILE.train` and `LOGFILE.test` into the output folder."""
    expect_arguments(arguments, f"torchcaffe parse_log {USAGE}", 2)
    source, folder = arguments
    if len(flags.delimiter) != 1:
        raise InputError(f'-delimiter is "{flags.delimiter}"; expected one character.')
    tables = parse_log(source)
    for ending, rows in tables.items():
        path = os.path.join(folder, f"{os.path.basename(source)}.{ending}")
        _write(path, rows, flags.delimiter)
        if flags.verbose:
            print(f"Wrote {path}")


def parse_log(path: str | os.PathLike[str]) -> dict[str, list[_Row]]:
    """Read a log into {"train": rows, "test": rows}.

    A row has NumIters, Seconds, LearningRate and the net's outputs. Seconds count from the line
    `Solving`. If the first row was logged before any rate, it has that of the second row.
    """
    with open_text(path, MOST_BYTES, errors="replace") as file:
        tables = _read_rows(file, datetime.datetime.fromtimestamp(os.path.getmtime(path)).year)
    if not any(tables.values()):
        raise InputError(
            f"{path}: it has no glog line with a net's output after `Solving`; expected the log of "
            "a training run with display or test_interval set."
        )
    for rows in tables.values():
        if len(rows) > 1 and math.isnan(rows[0]["LearningRate"]):
            rows[0]["LearningRate"] = rows[1]["LearningRate"]
    return tables


def _read_rows(lines: Iterable[str], year: int) -> dict[str, list[_Row]]:
    """Read the rows of both tables from a log that was begun in `year`, as far as is known."""
    tables: dict[str, list[_Row]] = {"train": [], "test": []}
    begun: datetime.datetime | None = None
    last: datetime.datetime | None = None
    iteration: float | None = None
    rate = math.nan
    for line in lines:
        line = line[:_LONGEST_LINE]
        # A line that was cut off, or whose numbers are none, is left out.
        with contextlib.suppress(ValueError, OverflowError):
            match = _GLOG.match(line)
            if match is None:
                continue
            now = _time(year, match)
            if last is not None and now.month < last.month:  # a new year, which glog does not write
                year += 1
                now = _time(year, match)
            last = now
            if begun is None:
                begun = now if "Solving" in line else None
                continue
            if match := _ITERATION.search(line):
                iteration = float(match[1])
            if match := _RATE.search(line):
                rate = float(match[1])
            match = _OUTPUT.search(line)
            if match is None or iteration is None:
                continue
            rows = tables[match[1].lower()]
            if not rows or rows[-1]["NumIters"] != iteration:
                seconds = (now - begun).total_seconds()
                rows.append({"NumIters": iteration, "Seconds": seconds, "LearningRate": rate})
            rows[-1][match[2]] = float(match[3])
    return tables


def _time(year: int, match: re.Match[str]) -> datetime.datetime:
    month, day, hour, minute, second, micro = (int(part) for part in match.groups())
    if (month, day) == (2, 29):  # the year, taken from the file, is a guess; the day is not
        year = next(y for y in range(year, year + 8) if y % 4 == 0)
    return datetime.datetime(year, month, day, hour, minute, second, micro)


def _write(path: str, rows: list[_Row], delimiter: str) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_write(path, "w") as file:
        writer = csv.DictWriter(file, columns, delimiter=delimiter)
        # A spreadsheet would run a name that begins like a formula.
        formula = ("=", "+", "-", "@", "\t", "\r")
        titles = {name: f"'{name}" if name.startswith(formula) else name for name in columns}
        writer.writerow(titles)
        writer.writerows(rows)
