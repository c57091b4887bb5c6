"""A training's log in the lines that Caffe writes, for tools such as parse_log.py and DIGITS.

The lines are written here and not by the engine, so that both engines leave the same log and a
resumed run continues it. Between them stand lines of ours with pixel accuracy and mean IoU:
`Iteration 100, train scores: pixel_accuracy = 0.91, mean_iou = 0.45`.
"""

import datetime
import os


class TrainingLog:
    """Appends lines to the file at `path`; each is on the disk when its method returns."""

    def __init__(self, path):
        self._file = open(path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115

    def close(self):
        """Close the file."""
        self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def line(self, source, message):
        """One line of glog: level and date, time, process, the place in Caffe's source, message."""
        now = datetime.datetime.now()
        self._file.write(f"I{now:%m%d %H:%M:%S.%f} {os.getpid():5d} {source}] {message}\n")

    def solving(self, net_name, policy):
        """The start of a run; parse_log.py counts its seconds from here."""
        self.line("solver.cpp:293", f"Solving {net_name}")
        self.line("solver.cpp:294", f"Learning Rate Policy: {policy}")

    def restoring(self, state_path):
        """The run goes on from a solver state."""
        self.line("caffe.cpp:242", f"Resuming from {state_path}")

    def train(self, iteration, loss, seconds, steps, outputs, rate):
        """The display of one iteration.

        `loss` is smoothed, `seconds` the time since the last display, `steps` the iterations in it,
        `outputs` a list of (name, values, loss weight), `rate` the learning rate.
        """
        speed = steps / seconds if seconds > 0 else 0.0
        self.line(
            "solver.cpp:239",
            f"Iteration {iteration} ({speed:g} iter/s, {seconds:g}s/{steps} iters), "
            f"loss = {loss:g}",
        )
        self._outputs("solver.cpp:258", "Train", outputs)
        self.line("sgd_solver.cpp:112", f"Iteration {iteration}, lr = {rate:g}")

    def test(self, iteration, net, outputs):
        """The means of test net number `net`'s outputs; `outputs` as in `train`."""
        self.line("solver.cpp:347", f"Iteration {iteration}, Testing net (#{net})")
        self._outputs("solver.cpp:414", "Test", outputs)

    def scores(self, iteration, phase, matrix):
        """Pixel accuracy and mean IoU of a `ConfusionMatrix`; `phase` is "train" or "test"."""
        self.line(
            "training.py",
            f"Iteration {iteration}, {phase} scores: pixel_accuracy = "
            f"{matrix.pixel_accuracy:g}, mean_iou = {matrix.mean_iou:g}",
        )

    def snapshot(self, weights, state):
        """The paths of a snapshot just taken."""
        kind = "HDF5" if weights.endswith(".h5") else "binary proto"
        self.line("solver.cpp:464", f"Snapshotting to {kind} file {weights}")
        self.line("sgd_solver.cpp:284", f"Snapshotting solver state to {kind} file {state}")

    def done(self):
        """The end of a run that took all its steps."""
        self.line("solver.cpp:332", "Optimization Done.")

    def _outputs(self, source, phase, outputs):
        number = 0
        for name, values, weight in outputs:
            for value in values:
                loss = f" (* {weight:g} = {weight * value:g} loss)" if weight else ""
                self.line(source, f"    {phase} net output #{number}: {name} = {value:g}{loss}")
                number += 1
