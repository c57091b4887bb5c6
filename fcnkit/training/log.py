"""The log of a training run, in Caffe's own lines, for tools such as parse_log.py and DIGITS.

The lines are written here rather than by the engine, so that both engines leave the same log and a
resumed run continues it. Between them are lines of our own with pixel accuracy and mean IoU (of
tests also mean accuracy, frequency weighted IoU and, in a line of its own, the IoU of each class):
`Iteration 100, train scores: pixel_accuracy = 0.91, mean_iou = 0.45`.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from caffeformat.files import open_append

if TYPE_CHECKING:
    from fcnkit.engine import Net
    from fcnkit.inference import ConfusionMatrix
    from fcnkit.nets import Head

# Name, values and loss weight of each output blob of a net.
Outputs = Sequence[tuple[str, Sequence[float], float]]


class Display(NamedTuple):
    """What a training run shows of an iteration."""

    iteration: int
    loss: float  # smoothed
    seconds: float  # since the previous display
    steps: int  # since the previous display
    outputs: Outputs  # (name, values, loss weight) per output blob
    rate: float  # learning rate


def scores_of(matrix: ConfusionMatrix, phase: str) -> dict[str, float]:
    """Return what is logged of a matrix: pixel accuracy and mean IoU, of tests all four scores."""
    names = ["pixel_accuracy", "mean_iou"]
    names += ["mean_accuracy", "frequency_weighted_iou"] if phase == "test" else []
    return {name: float(getattr(matrix, name)) for name in names}


class TrainingLog:
    """Appends lines to the file at `path`; each line is on disk when its method returns."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = open_append(path)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def line(self, source: str, message: str) -> None:
        """Write one glog line: level, date, time, process, place in Caffe's source, message."""
        now = datetime.datetime.now()
        self._file.write(f"I{now:%m%d %H:%M:%S.%f} {os.getpid():5d} {source}] {message}\n")

    def solving(self, net_name: str, policy: str) -> None:
        """Log the start of a run; parse_log.py counts its seconds from here."""
        self.line("solver.cpp:293", f"Solving {net_name}")
        self.line("solver.cpp:294", f"Learning Rate Policy: {policy}")

    def restoring(self, state_path: str) -> None:
        """Log that the run continues from a solver state."""
        self.line("caffe.cpp:242", f"Resuming from {state_path}")

    def train(self, display: Display) -> None:
        """Log the display of one iteration."""
        iteration, loss, seconds, steps, outputs, rate = display
        speed = steps / seconds if seconds > 0 else 0.0
        self.line(
            "solver.cpp:239",
            f"Iteration {iteration} ({speed:g} iter/s, {seconds:g}s/{steps} iters), "
            f"loss = {loss:g}",
        )
        self._outputs("solver.cpp:258", "Train", outputs)
        self.line("sgd_solver.cpp:112", f"Iteration {iteration}, lr = {rate:g}")

    def test(self, iteration: int, net: int, outputs: Outputs) -> None:
        """Log the mean outputs of test net number `net`; `outputs` as in `Display`."""
        self.line("solver.cpp:347", f"Iteration {iteration}, Testing net (#{net})")
        self._outputs("solver.cpp:414", "Test", outputs)

    def scores(self, iteration: int, phase: str, matrix: ConfusionMatrix) -> None:
        """Log the scores of `scores_of`, of tests also each class; `phase` is "train" or "test"."""
        values = [f"{name} = {value:g}" for name, value in scores_of(matrix, phase).items()]
        self.line("training.py", f"Iteration {iteration}, {phase} scores: {', '.join(values)}")
        if phase == "test":
            shares = " ".join(f"{value:g}" for value in matrix.iou)
            self.line("training.py", f"Iteration {iteration}, test IoU of each class: {shares}")

    def best(self, iteration: int, mean_iou: float) -> None:
        """Log that the test at this iteration had the best mean IoU so far."""
        self.line("training.py", f"Iteration {iteration}, best mean IoU so far: {mean_iou:g}")

    def sample(self, iteration: int, number: int, net: Net, head: Head) -> None:
        """Log a picture of pass `number` of a test of `net`; only events have pictures."""

    def weights(self, iteration: int, net: Net) -> None:
        """Log what the weights of `net` are like; only events have histograms."""

    def snapshot(self, weights: str, state: str) -> None:
        """Log the paths of a snapshot just taken."""
        kind = "HDF5" if weights.endswith(".h5") else "binary proto"
        self.line("solver.cpp:464", f"Snapshotting to {kind} file {weights}")
        self.line("sgd_solver.cpp:284", f"Snapshotting solver state to {kind} file {state}")

    def done(self) -> None:
        """Log the end of a run that took all its steps."""
        self.line("solver.cpp:332", "Optimization Done.")

    def _outputs(self, source: str, phase: str, outputs: Outputs) -> None:
        number = 0
        for name, values, weight in outputs:
            for value in values:
                loss = f" (* {weight:g} = {weight * value:g} loss)" if weight else ""
                self.line(source, f"    {phase} net output #{number}: {name} = {value:g}{loss}")
                number += 1
