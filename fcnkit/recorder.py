"""What happens around the steps of a training: tests, displays, scores, snapshots, divergence."""

import collections
import math
import time

import numpy as np

from caffeformat import InputError, pb
from caffeformat.lr_policy import learning_rate

from . import diagnosis, engine, networks, snapshots
from .metrics import ConfusionMatrix

# Training scores are sampled this often between two displays: each takes an argmax over the scores.
_SAMPLES = 5
# Displays in a row with one predicted class that are no accident of the batches.
_LASTING = 3
# Steps over which the loss that is shown, not logged, is averaged.
_RUNNING = 20
_SECONDS_BETWEEN_DRAWINGS = 60


class Recorder(engine.Hooks):
    """Hooks for `engine.train` that write the log and take snapshots as Caffe's own solver does.

    Iteration n is tested before step n, displayed with the loss of step n, and its snapshot is
    taken after n steps. With `iter_size` the loss is that of a step's last pass, which is all that
    pycaffe tells. `stopped` tells whether `stop()` ended the run; `last_weights` is the path
    of the last snapshot's weights, `last_test_matrix` the last test's `ConfusionMatrix`. `draw` is
    called now and then to bring the curves up to date, `stop` after every step.
    """

    def __init__(self, solver, files, log, observer, draw, stop, class_names=(), unmatched=()):
        self._solver, self._files, self._log, self._observer = solver, files, log, observer
        self._draw, self._stop = draw, stop
        self._names, self._unmatched = class_names, unmatched
        self._settings = files.solver
        self._head = networks.head(files.train)
        self._losses = networks.loss_weights(files.train)
        self._average = max(1, self._settings.average_loss)
        self._recent = collections.deque(maxlen=max(_RUNNING, self._average))
        self._matrix = self._new_matrix(solver.net, self._head)
        self._shown_at, self._shown_iteration = time.monotonic(), solver.iter
        self._drawn_at = time.monotonic()
        self._tested_at = self._saved_at = None
        self._explained, self._collapsed_displays = False, 0
        self.stopped, self.last_weights, self.last_test_matrix = False, None, None

    def before_step(self, solver):
        """Test if it is time."""
        interval = self._settings.test_interval
        is_due = bool(interval) and solver.iter % interval == 0
        if solver.test_nets and is_due and (solver.iter or self._settings.test_initialization):
            self._test()

    def after_step(self, solver):
        """Record the step just taken; true where the run was asked to stop."""
        iteration, settings = solver.iter - 1, self._settings
        self._recent.append(self._loss(iteration))
        if self._head and iteration % max(1, settings.display // _SAMPLES) == 0:
            _count(self._matrix, solver.net, self._head, f"iteration {iteration}")
        running = self._mean_loss(_RUNNING)
        self._observer.step(solver.iter, settings.max_iter, running, self._matrix)
        if settings.display and iteration % settings.display == 0:
            self._display(iteration)
        if settings.snapshot and solver.iter % settings.snapshot == 0:
            self._snapshot()
        if time.monotonic() - self._drawn_at > _SECONDS_BETWEEN_DRAWINGS:
            self._draw()
            self._drawn_at = time.monotonic()
        self.stopped = self._stop() and solver.iter < settings.max_iter
        return self.stopped

    def finish(self):
        """After the last step: the closing snapshot and, where the run is whole, a last test."""
        if self._saved_at != self._solver.iter and (
            self.stopped or self._settings.snapshot_after_train
        ):
            self._snapshot()
        if self.stopped:
            return
        if self._solver.test_nets and self._tested_at != self._solver.iter:
            self._test()
        self._log.done()

    def _loss(self, iteration):
        """The weighted sum of the losses in the last pass; `InputError` where it is no number."""
        blobs = self._solver.net.blobs
        loss = sum(
            weight * float(np.sum(blobs[name].data)) for name, weight in self._losses.items()
        )
        if math.isfinite(loss):
            return loss
        before = (
            f"it was {self._recent[-1]:.4g} one step before" if self._recent else "from the start"
        )
        kept = f"; the snapshot {self.last_weights} is kept" if self.last_weights else ""
        raise InputError(
            f"iteration {iteration}: the loss is {loss}, {before}{kept}. The training diverged: "
            f"lower base_lr ({self._settings.base_lr:g}), set clip_gradients, or look at the "
            "inputs and the starting weights"
        )

    def _mean_loss(self, steps):
        """The mean loss of the last `steps` steps, or of as many as there were."""
        recent = list(self._recent)[-steps:]
        return sum(recent) / len(recent)

    def _display(self, iteration):
        now = time.monotonic()
        outputs = [
            (name, np.ravel(self._solver.net.blobs[name].data).tolist(), self._losses.get(name, 0))
            for name in self._solver.net.outputs
        ]
        self._log.train(
            iteration,
            self._mean_loss(self._average),
            now - self._shown_at,
            iteration - self._shown_iteration,
            outputs,
            learning_rate(self._settings, iteration),
        )
        if self._matrix is not None and self._matrix.total:
            self._log.scores(iteration, "train", self._matrix)
            self._watch_without_tests()
            self._matrix.reset()
        self._shown_at, self._shown_iteration = now, iteration

    def _test(self):
        iteration = self._tested_at = self._solver.iter
        for number, net in enumerate(self._solver.test_nets):
            message = self._files.tests[number]
            head, weights = networks.head(message), networks.loss_weights(message)
            matrix = self._new_matrix(net, head)
            net.share_with(self._solver.net)
            passes = max(1, self._settings.test_iter[number])
            sums = collections.OrderedDict()
            for _ in range(passes):
                net.forward()
                for name in net.outputs:
                    values = np.ravel(net.blobs[name].data).astype(float)
                    sums[name] = sums[name] + values if name in sums else values
                if head:
                    _count(matrix, net, head, f"test at iteration {iteration}")
            outputs = [
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
                self.last_test_matrix = matrix
                if not broken:
                    self._explain(matrix)

    def _watch_without_tests(self):
        """Without a test net, explain a collapse that lasts for some displays of the training."""
        if self._solver.test_nets:
            return
        is_collapsed = diagnosis.is_collapsed(self._matrix)
        self._collapsed_displays = self._collapsed_displays + 1 if is_collapsed else 0
        if self._collapsed_displays >= _LASTING:
            self._explain(self._matrix)

    def _explain(self, matrix):
        """Say once why the predictions may stay at one class, if they do after some steps."""
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

    def _snapshot(self):
        self._solver.snapshot()
        self._saved_at = self._solver.iter
        hdf5 = self._settings.snapshot_format == pb.SolverParameter.HDF5
        weights, state = snapshots.paths(self._settings.snapshot_prefix, self._solver.iter, hdf5)
        self._log.snapshot(weights, state)
        self.last_weights = weights

    @staticmethod
    def _new_matrix(net, head):
        """A `ConfusionMatrix` for the scores of `net`, or None where it has no classes."""
        return head and ConfusionMatrix(net.blobs[head.score].shape[1], head.ignore)


def _count(matrix, net, head, name):
    """Add the last pass of `net` to `matrix`."""
    prediction = net.blobs[head.score].data.argmax(1)
    labels = net.blobs[head.label].data
    if labels.size == prediction.size:
        labels = labels.reshape(prediction.shape)
    matrix.update(prediction, labels, name)
