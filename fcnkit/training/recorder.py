"""What happens around the steps of a training run: tests, displays, scores, snapshots, faults."""

from __future__ import annotations

import collections
import math
import os
import time
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import InputError, learning_rate
from fcnkit import engine, nets
from fcnkit.inference import ConfusionMatrix

from . import diagnosis, resuming, snapshots
from .log import Display
from .together import NoKeeper, add_outputs, can_share_tests, own_passes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fcnkit.engine import Net, Solver
    from fcnkit.nets import Head

    from .keeping import Keeper
    from .log import Outputs, TrainingLog
    from .observing import Observer
    from .run_files import RunFiles
    from .together import SilentLog

# Training scores are sampled this often between two displays, as each takes an argmax over them.
_SAMPLES = 5
# Consecutive displays with one predicted class after which that is not due to chance any more.
_LASTING = 3
# Steps over which the loss is averaged that progress shows; the log has its own `average_loss`.
_RUNNING = 20
_SECONDS_BETWEEN_DRAWINGS = 60
# How many images of a test the log may take pictures of: its first ones, which stay the same.
_PICTURES = 4


class Recorder(engine.Hooks):
    """Hooks for `engine.train` that write the log and take snapshots as Caffe's own solver does.

    Iteration n is tested before step n, displayed with the loss of step n, and its snapshot is
    taken after n steps. With `iter_size` the loss is that of a step's last pass, which is all that
    pycaffe exposes. `keeper` decides which snapshots stay and when tests end the run. `draw` is
    called now and then to update the curves, `stop` after every step.

    Of processes that train `together` each has such hooks: losses are means and scores sums over
    all of them, each makes its share of the tests' passes, and the root alone takes snapshots.

    Attributes: `keeper`, `stopped` (whether `stop()` ended the run), `withdrawn` (whether it did so
    before the first step of a run that replaces an earlier one, which stays instead),
    `last_weights` (path of the last snapshot's weights, or None), `last_test_matrix` (of the last
    test, or None).
    """

    def __init__(
        self,
        solver: Solver,
        files: RunFiles,
        log: TrainingLog | SilentLog,
        observer: Observer,
        keeper: Keeper | NoKeeper,
        draw: Callable[[], None],
        stop: Callable[[], bool],
        class_names: Sequence[str] = (),
        unmatched: Sequence[str] = (),
        together: engine.Together = engine.ALONE,
    ) -> None:
        self._together = together
        self._is_shared = together.count > 1 and can_share_tests(files.tests)
        self._solver, self._files, self._log, self._observer = solver, files, log, observer
        self.keeper, self._draw, self._stop = keeper, draw, stop
        self._names, self._unmatched = class_names, unmatched
        self._settings = files.solver
        self._head = nets.head(files.train)
        self._losses = nets.loss_weights(files.train)
        self._average = max(1, self._settings.average_loss)
        self._recent: collections.deque[float] = collections.deque(
            maxlen=max(_RUNNING, self._average)
        )
        self._matrix = _new_matrix(solver.net, self._head)
        self._scores: dict[str, float] = {}
        self._run_name = os.path.basename(os.path.dirname(self._settings.snapshot_prefix))
        self._shown_at, self._shown_iteration = time.monotonic(), solver.iter
        self._drawn_at = time.monotonic()
        self._tested_at: int | None = None
        self._saved_at: int | None = None
        self._explained, self._collapsed_displays = False, 0
        self._is_exhausted = False  # no better test for as long as the run has patience
        self.stopped = self.withdrawn = False
        self.last_weights: str | None = None
        self.last_test_matrix: ConfusionMatrix | None = None

    def before_step(self, solver: Solver) -> bool:
        """Test where a test is due; returns whether the tests end the run."""
        interval = self._settings.test_interval
        is_due = bool(interval) and solver.iter % interval == 0
        if self._files.tests and is_due and (solver.iter or self._settings.test_initialization):
            self._test()
            if self._together.from_root(lambda: self.keeper.is_exhausted(solver.iter)):
                self._is_exhausted = True
                if not self._together.is_root:
                    return True
                tests = self.keeper.tests_since_best(solver.iter)
                self._observer.note(
                    f"no better mean IoU in {tests} tests: the run ends after {solver.iter} of "
                    f"{self._settings.max_iter} iterations"
                )
                return True
        return False

    def after_step(self, solver: Solver) -> bool:
        """Record the step just taken; returns true where the run was asked to stop."""
        iteration, settings = solver.iter - 1, self._settings
        if not self._recent:  # this process's first step
            asked = float(self._observer.replaces and self._stop())
            loss, asked = self._together.total(np.array([self._loss(), asked]))
            self._checked(float(loss) / self._together.count, iteration)
            if asked and solver.iter < settings.max_iter:
                self.stopped = self.withdrawn = True
                return True
            self._observer.begun()
        loss, asked = self._together.total(np.array([self._loss(), float(self._stop())]))
        self._recent.append(self._checked(float(loss) / self._together.count, iteration))
        if iteration % max(1, settings.display // _SAMPLES) == 0:
            self._sample(solver.net, iteration)
        figures = {"loss": self._mean_loss(_RUNNING), **self._scores}
        self._observer.step(solver.iter, settings.max_iter, self._run_name, figures)
        if settings.display and iteration % settings.display == 0:
            self._display(iteration)
        if settings.snapshot and solver.iter % settings.snapshot == 0:
            self._snapshot()
        if time.monotonic() - self._drawn_at > _SECONDS_BETWEEN_DRAWINGS:
            self._draw()
            self._drawn_at = time.monotonic()
        self.stopped = bool(asked) and solver.iter < settings.max_iter
        return self.stopped

    def _sample(self, net: Net, iteration: int) -> None:
        """Add the last pass to the training scores."""
        if self._head is None or self._matrix is None:
            return
        counted = ConfusionMatrix(self._matrix.n, self._matrix.ignore)
        _count(counted, net, self._head, f"iteration {iteration}")
        self._matrix.counts += self._together.total(counted.counts)
        if self._matrix.total:
            self._scores = {
                "accuracy": self._matrix.pixel_accuracy,
                "mean_iou": self._matrix.mean_iou,
            }

    def finish(self) -> None:
        """Take the closing snapshot and, where the run took all its steps, a last test."""
        if self.withdrawn:
            return
        if self._saved_at != self._solver.iter and (
            self.stopped or self._is_exhausted or self._settings.snapshot_after_train
        ):
            self._snapshot()
        if self.stopped:
            return
        if self._files.tests and self._tested_at != self._solver.iter:
            self._test()
        self._log.done()

    def _loss(self) -> float:
        """Return the weighted sum of the last pass's losses."""
        blobs = self._solver.net.blobs
        return sum(
            weight * float(np.sum(blobs[name].data)) for name, weight in self._losses.items()
        )

    def _checked(self, loss: float, iteration: int) -> float:
        """Return `loss`; `InputError` if it is not finite."""
        if math.isfinite(loss):
            return loss
        before = (
            f"it was {self._recent[-1]:.4g} one step before" if self._recent else "from the start"
        )
        kept = f"; the snapshot {self.last_weights} is kept" if self.last_weights else ""
        raise InputError(
            f"iteration {iteration}: the loss is {loss}, {before}{kept}. Training has diverged: "
            f"lower base_lr ({self._settings.base_lr:g}), set clip_gradients, or check the inputs "
            "and the starting weights"
        )

    def _mean_loss(self, steps: int) -> float:
        """Return the mean loss of the last `steps` steps, or of as many as there were."""
        recent = list(self._recent)[-steps:]
        return sum(recent) / len(recent)

    def _display(self, iteration: int) -> None:
        now = time.monotonic()
        blobs, count = self._solver.net.blobs, self._together.count
        names = self._solver.net.outputs
        own = {name: np.ravel(blobs[name].data).astype(float) for name in names}
        outputs = [
            (name, (values / count).tolist(), self._losses.get(name, 0))
            for name, values in add_outputs(own, self._together).items()
        ]
        display = Display(
            iteration,
            self._mean_loss(self._average),
            now - self._shown_at,
            iteration - self._shown_iteration,
            outputs,
            learning_rate(self._settings, iteration),
        )
        self._log.train(display)
        if self._matrix is not None and self._matrix.total:
            self._log.scores(iteration, "train", self._matrix)
            self._watch_without_tests()
            self._matrix.reset()
        self._shown_at, self._shown_iteration = now, iteration

    def _test(self) -> None:
        iteration = self._tested_at = self._solver.iter
        for number, net in enumerate(self._solver.test_nets):
            message = self._files.tests[number]
            head, weights = nets.head(message), nets.loss_weights(message)
            matrix = _new_matrix(net, head)
            net.share_with(self._solver.net)
            passes = max(1, self._settings.test_iter[number])
            sums = {name: np.zeros(np.size(net.blobs[name].data)) for name in net.outputs}
            for turn, _ in enumerate(self._passes(number, passes)):
                net.forward()
                for name in net.outputs:
                    sums[name] = sums[name] + np.ravel(net.blobs[name].data)
                if head is not None and matrix is not None:
                    _count(matrix, net, head, f"test at iteration {iteration}")
                    if number == 0 and turn < _PICTURES:
                        self._log.sample(iteration, turn, net, head)
            if self._is_shared:
                sums = add_outputs(sums, self._together)
                if matrix is not None:
                    matrix.counts = self._together.total(matrix.counts)
            outputs: Outputs = [
                (name, (values / passes).tolist(), weights.get(name, 0))
                for name, values in sums.items()
            ]
            self._log.test(iteration, number, outputs)
            if matrix is not None:
                self._log.scores(iteration, "test", matrix)
            self._observer.test(iteration, outputs, matrix)
            broken = diagnosis.describe_broken_outputs(outputs, net)
            if broken:
                self._observer.note(broken)
            if number == 0:
                self._log.weights(iteration, self._solver.net)
                self.last_test_matrix = matrix
                if matrix is not None and self.keeper.test(
                    iteration, matrix.mean_iou, self._solver.net
                ):
                    self._log.best(iteration, matrix.mean_iou)
                if not broken:
                    self._explain(matrix)

    def _passes(self, number: int, passes: int) -> Sequence[int]:
        """Which of the test's passes through test net `number` this process makes."""
        if not self._is_shared:
            return range(passes)
        first = resuming.passes_before(self._files, self._solver.iter)[1 + number]
        return own_passes(first, passes, self._together)

    def _watch_without_tests(self) -> None:
        """Without a test net, explain a collapse that lasts for several displays."""
        if self._files.tests or self._matrix is None:
            return
        is_collapsed = diagnosis.is_collapsed(self._matrix)
        self._collapsed_displays = self._collapsed_displays + 1 if is_collapsed else 0
        if self._collapsed_displays >= _LASTING:
            self._explain(self._matrix)

    def _explain(self, matrix: ConfusionMatrix | None) -> None:
        """Explain once why the predictions may stay at one class, if they do after some steps."""
        if self._explained or not self._recent or not self._head:
            return
        if matrix is None or not diagnosis.is_collapsed(matrix):
            return
        self._explained = True
        net, message = self._solver.net, self._files.train
        stuck = diagnosis.stuck_layers(message, diagnosis.zero_layers(net, message))
        self._observer.note(
            diagnosis.explain_collapse(
                matrix,
                self._names,
                stuck,
                diagnosis.silent_layers(net, message),
                self._unmatched,
                self._mean_loss(_RUNNING) if self._head.is_per_pixel else None,
            )
        )

    def _snapshot(self) -> None:
        iteration = self._saved_at = self._solver.iter
        weights, state = snapshots.written(self._settings, iteration)
        self.last_weights = weights
        if isinstance(self.keeper, NoKeeper):
            return
        self.keeper.begin(iteration)
        self._solver.snapshot()
        self._log.snapshot(weights, state)
        note = self.keeper.remove_old(iteration)
        if note:
            self._observer.note(note)


def _new_matrix(net: Net, head: Head | None) -> ConfusionMatrix | None:
    """Return a `ConfusionMatrix` for the scores of `net`, or None where it has no classes."""
    if head is None:
        return None
    return ConfusionMatrix(net.blobs[head.score].shape[1], head.ignore)


def _count(matrix: ConfusionMatrix, net: Net, head: Head, name: str) -> None:
    """Add the last pass of `net` to `matrix`."""
    prediction = engine.classes_of(net.blobs[head.score])
    labels = net.blobs[head.label].data
    if labels.size == prediction.size:
        labels = labels.reshape(prediction.shape)
    matrix.update(prediction, labels, name)
