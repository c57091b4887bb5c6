"""Curves of several runs, laid over one another in one picture."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from caffeformat import InputError, atomic_write

from .curves import columns, label_text, parse_log, series
from .run_folder import settle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .curves import Row

_FORMATS = (".png", ".pdf", ".svg")
# Above each part of the picture, and the columns that it shows: the first of a log is drawn with a
# line, the second, if there are two, with points and dashes.
_PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("loss", ("loss", "test_loss")),
    ("mean IoU", ("test_mean_iou", "train_mean_iou")),
    ("pixel accuracy", ("test_pixel_accuracy", "train_pixel_accuracy")),
    ("learning rate", ("lr",)),
)
_STYLES: tuple[dict[str, Any], ...] = (
    {"linewidth": 1.5},
    {"linestyle": "--", "marker": "o", "markersize": 2.5, "linewidth": 0.9, "alpha": 0.7},
)


def read_runs(paths: Sequence[str | os.PathLike[str]]) -> dict[str, list[Row]]:
    """Return name -> rows of the log of each run: outputs of `train`, or logs of any Caffe.

    A name is the last part of the path, or as much of it as tells the runs apart. Raises
    `InputError` where there is no log, or none of its lines is known.
    """
    logs = {}
    for path in [os.fspath(path) for path in paths]:
        settle(path)
        log = os.path.join(path, "train.log") if os.path.isdir(path) else path
        if not os.path.isfile(log):
            what = f"{path}: is not an output of train: there is no {log}"
            raise InputError(what if os.path.isdir(path) else f"{path}: there is no such file")
        rows = parse_log(log)
        if not rows:
            raise InputError(
                f"{log}: has no lines such as `Iteration 20, loss = 0.5`, as Caffe logs them"
            )
        logs[os.path.abspath(path)] = rows
    return {name: logs[path] for path, name in _names(list(logs)).items()}


def _names(paths: Sequence[str]) -> dict[str, str]:
    """Path -> its last parts, as many of them as make the names differ."""
    parts = {path: path.split(os.sep) for path in paths}
    count = 1
    while True:
        names = {path: os.sep.join(found[-count:]) for path, found in parts.items()}
        if len(set(names.values())) == len(paths) or count >= max(map(len, parts.values())):
            return names
        count += 1


def plot_runs(path: str | os.PathLike[str], runs: Mapping[str, Sequence[Row]]) -> None:
    """Draw the curves of `runs` (name -> rows) over iterations into a PNG, PDF or SVG at `path`.

    Each run has a colour; parts of which no run has a curve are left out. Raises `InputError` where
    none is left.
    """
    kind = os.path.splitext(os.fspath(path))[1].lower()
    if kind not in _FORMATS:
        raise InputError(f"{os.fspath(path)}: expected a name that ends in {', '.join(_FORMATS)}")
    # matplotlib's object interface touches neither a window system nor global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    known = {name: columns(rows) for name, rows in runs.items()}
    parts = [
        (title, wanted)
        for title, wanted in _PARTS
        if any(column in found for found in known.values() for column in wanted)
    ]
    if not parts:
        raise InputError(
            f"{', '.join(runs)}: {'has' if len(runs) == 1 else 'have'} no curves to draw: expected "
            f"one of {', '.join(column for _, wanted in _PARTS for column in wanted)}"
        )
    height = -(-len(parts) // 2)
    figure = Figure(figsize=(12, 4.5 * height), dpi=100, constrained_layout=True)
    FigureCanvasAgg(figure)
    places = figure.subplots(height, min(2, len(parts)), squeeze=False).ravel()
    for axes in places[len(parts) :]:
        axes.set_axis_off()
    for axes, (title, wanted) in zip(places, parts):
        for number, (name, rows) in enumerate(runs.items()):
            there = [column for column in wanted if column in known[name]]
            for column, style in zip(wanted, _STYLES):
                if column not in there:
                    continue
                # Tests are few; one alone would make no line.
                marks = {"marker": "o", "markersize": 2.5} if column.startswith("test") else {}
                label = label_text(name) if column == there[0] else None
                iterations, values = series(rows, column)
                axes.plot(
                    iterations, values, color=f"C{number % 10}", label=label, **{**style, **marks}
                )
        shown = " (dashed: training)" if wanted[1:] and "train" in wanted[1] else ""
        shown = shown or (" (dashed: validation)" if len(wanted) > 1 else "")
        axes.set(title=title + shown, xlabel="iteration")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    with atomic_write(path) as file:
        figure.savefig(file, format=kind[1:])
