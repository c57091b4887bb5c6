"""Training curves from a log, as a table (CSV) and as a picture (PNG).

Any log with Caffe's lines will do, including BVLC Caffe's own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import atomic_write, printable
from caffeformat.files import MOST_BYTES, open_text
from fcnkit.files import write_table

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    # What was logged at one iteration: column name -> value.
    Row = dict[str, float]

ITERATION = re.compile(r"\] *Iteration ([0-9]{1,15})(?![0-9])")
_NUMBER = r"([-+]?(?:nan|inf|(?:[0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})(?:[eE][-+]?[0-9]{1,4})?))"
LONGEST_LINE = 10_000  # characters; logs have no such lines, and patterns take their square
_LOSS = re.compile(r"Iteration \d+.*, loss = " + _NUMBER)
_RATE = re.compile(r"Iteration \d+, lr = " + _NUMBER)
_OUTPUT = re.compile(r"(Train|Test) net output #([0-9]{1,9}): (\S+) = " + _NUMBER)
_SCORES = re.compile(r"Iteration \d+, (train|test) scores: (.*)")
_CLASSES = re.compile(r"Iteration \d+, test IoU of each class: (.*)")
# Columns of the IoU of single classes: `test_class_iou_7`
CLASS_IOU = "test_class_iou_"
_SCORE = re.compile(r"(\w+) = " + _NUMBER)
_MOST_CLASSES = 256
# Columns that the picture does not show: the smoothed loss has the curve of a step's and is easier
# to read, two of the four scores of tests lie near the others, and classes are too many.
_LEFT_OUT = ("lr", "train_loss", "test_mean_accuracy", "test_frequency_weighted_iou")


def parse_log(path: str | os.PathLike[str]) -> list[Row]:
    """Return a log's numbers as rows: dicts with `iteration` and whatever was logged there.

    Keys: `loss` (smoothed), `lr`, `train_<output>` and `test_<output>` for the nets' outputs,
    `train_pixel_accuracy`, `train_mean_iou`, `test_pixel_accuracy`, `test_mean_iou`,
    `test_mean_accuracy`, `test_frequency_weighted_iou`, `test_class_iou_<index>`. An output with
    several values gets their number appended (`test_per_class_3`). Where a run was resumed from an
    earlier iteration, lines logged past that iteration are replaced by the newer ones. Raises
    `InputError` for a file that cannot be read.
    """
    rows: dict[int, dict[Any, float]] = {}
    iteration: int | None = None
    with open_text(path, MOST_BYTES, errors="replace") as file:
        lines = file.readlines()
    for line in lines:
        line = line[:LONGEST_LINE]
        found = ITERATION.search(line)
        if found:
            previous, iteration = iteration, int(found.group(1))
            if previous is not None and iteration < previous:
                rows = {key: row for key, row in rows.items() if key < iteration}
        if iteration is not None:
            rows.setdefault(iteration, {}).update(values_in(line))
    return _named([{"iteration": key, **rows[key]} for key in sorted(rows) if rows[key]])


def _named(rows: list[dict[Any, float]]) -> list[Row]:
    """Replace the keys (output, number) by names, numbered where an output has several values."""
    numbers: dict[str, set[int]] = {}
    for row in rows:
        for key in row:
            if isinstance(key, tuple):
                numbers.setdefault(key[0], set()).add(key[1])
    names = names_of(numbers)
    return [{names.get(key, key): value for key, value in row.items()} for row in rows]


def names_of(numbers: Mapping[str, Iterable[int]]) -> dict[tuple[str, int], str]:
    """Return the column names of outputs' values: {(output, number): name}."""
    names: dict[tuple[str, int], str] = {}
    for output, found in numbers.items():
        places = sorted(found)
        for place, number in enumerate(places):
            names[output, number] = output if len(places) == 1 else f"{output}_{place}"
    return names


def values_in(line: str) -> dict[Any, float]:
    """Return the values in one line of a log, by column name or by (output, number)."""
    values: dict[Any, float] = {}
    for key, pattern in (("loss", _LOSS), ("lr", _RATE)):
        found = pattern.search(line)
        if found:
            values[key] = float(found.group(1))
    output = _OUTPUT.search(line)
    if output:
        phase, number, name, value = output.groups()
        values[f"{phase.lower()}_{name}", int(number)] = float(value)
    scores = _SCORES.search(line)
    if scores:
        for name, value in _SCORE.findall(scores.group(2)):
            values[f"{scores.group(1)}_{name}"] = float(value)
    classes = _CLASSES.search(line)
    if classes:
        for index, word in enumerate(classes.group(1).split()[:_MOST_CLASSES]):
            if re.fullmatch(_NUMBER, word) and word != "nan":  # of a class that no label has
                values[f"{CLASS_IOU}{index}"] = float(word)
    return values


def columns(rows: Iterable[Row]) -> list[str]:
    """Return the names of all columns, `iteration` first, then in order of first appearance."""
    names = dict.fromkeys(["iteration"])
    for row in rows:
        names.update(dict.fromkeys(row))
    return list(names)


def series(rows: Iterable[Row], column: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return (iterations, values) of one column as arrays, only where it was logged."""
    pairs = [(row["iteration"], row[column]) for row in rows if column in row]
    return np.array([i for i, _ in pairs], int), np.array([v for _, v in pairs], float)


def label_text(name: str) -> str:
    """`name` as a picture shows it: a dollar sign would begin a formula, `_` hide it in legends."""
    shown = printable(name).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def write_csv(path: str | os.PathLike[str], rows: Sequence[Row]) -> None:
    """Write `rows` as CSV, one line per iteration; cells are empty where nothing was logged."""
    names = columns(rows)
    write_table(path, [names, *([row.get(name, "") for name in names] for row in rows)])


def plot(path: str | os.PathLike[str], rows: Sequence[Row], title: str = "") -> None:
    """Draw loss (left), accuracies and IoU (right) over iterations into a PNG at `path`."""
    # matplotlib's object interface touches neither a window system nor global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.5), dpi=100)
    FigureCanvasAgg(figure)
    losses, shares = figure.subplots(1, 2)
    for column in columns(rows)[1:]:
        if column in _LEFT_OUT or column.startswith(CLASS_IOU):
            continue
        is_loss = "loss" in column
        axes = losses if is_loss else shares
        iterations, values = series(rows, column)
        test = column.startswith("test")
        style: dict[str, Any] = {}
        if test or len(values) < 30:
            style = {"marker": "o", "markersize": 3}
        label = "train_loss (smoothed)" if column == "loss" else label_text(column)
        axes.plot(iterations, values, linestyle="-" if test else "--", label=label, **style)
    losses.set(title=label_text(title) or "loss", xlabel="iteration", ylabel="loss")
    shares.set(title="accuracy and IoU", xlabel="iteration")
    if shares.dataLim.ymin >= 0 and shares.dataLim.ymax <= 1:
        shares.set_ylim(0, 1)
    for axes in (losses, shares):
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize=8)
    figure.subplots_adjust(left=0.06, right=0.98, bottom=0.12, top=0.92, wspace=0.14)
    with atomic_write(path) as file:
        figure.savefig(file, format="png")
