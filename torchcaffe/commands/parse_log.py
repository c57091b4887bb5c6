"""Turns a training's log into two CSV tables, of training and of testing, as parse_log.py does."""

import csv
import datetime
import math
import os
import re

from caffeformat import InputError
from caffeformat.files import atomic_write

from . import expect_arguments
from .flags import Flag

USAGE = "[FLAGS] LOGFILE OUTPUT_DIR"
FLAGS = [
    Flag("verbose", False, "print the paths that are written"),
    Flag("delimiter", ",", "what separates columns"),
]
_GLOG = re.compile(r"[IWEF](\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{6})\s")
_ITERATION = re.compile(r"Iteration (\d+)")
_RATE = re.compile(r"lr = (\S+)")
_OUTPUT = re.compile(r"(Train|Test) net output #\d+: (\S+) = (\S+)")


def run(flags, arguments):
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


def parse_log(path):
    """{"train": rows, "test": rows}: dicts with NumIters, Seconds, LearningRate and the outputs.

    Seconds count from the line `Solving`. A rate that was not logged yet is the following row's.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            tables = _read_rows(file, datetime.datetime.fromtimestamp(os.path.getmtime(path)).year)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    if not any(tables.values()):
        raise InputError(
            f"{path}: no line of glog in it tells a net's output after `Solving`; expected the log "
            "of a training with display or test_interval set."
        )
    for rows in tables.values():
        if len(rows) > 1 and math.isnan(rows[0]["LearningRate"]):
            rows[0]["LearningRate"] = rows[1]["LearningRate"]
    return tables


def _read_rows(lines, year):
    tables = {"train": [], "test": []}
    begun = last = iteration = None
    rate = math.nan
    for line in lines:
        match = _GLOG.match(line)
        if match is None:
            continue
        now = _time(year, match)
        if last is not None and now.month < last.month:  # a new year: glog does not tell which
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


def _time(year, match):
    month, day, hour, minute, second, micro = (int(part) for part in match.groups())
    if (month, day) == (2, 29):  # the year of a file is a guess, the day in the log is not
        year = next(y for y in range(year, year + 8) if y % 4 == 0)
    return datetime.datetime(year, month, day, hour, minute, second, micro)


def _write(path, rows, delimiter):
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_write(path, "w") as file:
        writer = csv.DictWriter(file, columns, delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
