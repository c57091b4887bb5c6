"""Solvers: the training loop, with pycaffe's names.

    solver = get_solver("solver.prototxt")
    solver.step(100)          # or solve()
    solver.net.blobs["loss"].data, solver.iter, solver.test_nets

The learning rate comes from `lr_policy`, updates from `update_rules`, and files are written by
`snapshot`.
"""

from __future__ import annotations

import collections
import math
import os
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch

from caffeformat import InputError, SolverState, learning_rate, pb, read_solver, upgrade_solver
from caffeformat.messages import current_step, next_step, refuse_effects
from torchcaffe import log
from torchcaffe.core import (
    NetVec,
    lower_precision,
    set_random_seed,
    share_tests,
    solver_count,
    solver_rank,
)

from .joining import shared_seed
from .loss_scale import LossScale
from .nets import open_test_nets, open_train_net
from .optimizer import Optimizer
from .signals import NONE, SNAPSHOT, STOP
from .snapshot import require_writable, restore_snapshot, write_snapshot
from .update_rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from torchcaffe.core import Blob
    from torchcaffe.nets import Net


@runtime_checkable
class _Callbacks(Protocol):
    """An object with both of `add_callback`'s functions, such as `NCCL`."""

    def on_start(self) -> None: ...

    def on_gradients_ready(self) -> None: ...


def read_settings(
    solver_file: str | os.PathLike[str] | None, param: pb.SolverParameter | None
) -> pb.SolverParameter:
    """An upgraded copy of the message `param`, or what the file holds; `InputError` for neither."""
    if param is not None:
        settings = pb.SolverParameter()
        settings.CopyFrom(param)
        upgrade_solver(settings)
        return settings
    if solver_file is None:
        raise InputError("a Solver needs a prototxt: the path of one, or param.")
    return read_solver(solver_file)


class Solver:
    """Trains the net that a solver prototxt names.

    Attributes as in pycaffe: `net`, `test_nets`, `iter` (steps taken), `param` (SolverParameter).
    Beyond pycaffe: `requested_action`, a function that is called after every step and test pass and
    returns what the run should do (`signals.STOP`, `SNAPSHOT` or `NONE`); `agree_to_stop`, which is
    called before every step with whether this solver would stop, and returns whether it does;
    `mean_loss`, which is called with the loss of every step and returns the one to remember.

    Of several solvers that share the work (`parallel`) only the root displays and snapshots, and
    tests unless tests are shared out. All begin with the same random numbers, so that their nets
    and their data layers' orders are the same; then each draws its own.
    """

    type: str | None = None  # a subclass is of one type; this class takes it from the prototxt

    def __init__(
        self,
        solver_file: str | os.PathLike[str] | None = None,
        param: pb.SolverParameter | None = None,
    ) -> None:
        """Build the nets of the file `solver_file`, or of `param` (perhaps read from that file).

        Raises `InputError` for settings that are missing, unknown or do not fit together.
        """
        folder = "" if solver_file is None else os.path.dirname(os.fspath(solver_file))
        self.param = read_settings(solver_file, param)
        rule = RULES.get(self.type or self.param.type)
        if rule is None:
            raise InputError(
                f'there is no solver of type "{self.param.type}"; known types: {", ".join(RULES)}.'
            )
        settings = pb.SolverParameter()
        settings.CopyFrom(self.param)
        for nets in ("net_param", "train_net_param", "test_net_param"):
            settings.ClearField(nets)  # each net looks after its own layers
        refuse_effects(settings)
        if self.param.snapshot_diff:
            raise InputError(
                "snapshot_diff: snapshots hold no gradients here; remove it from the solver."
            )
        if self.param.iter_size < 1:
            raise InputError(f"iter_size must be 1 or more, found {self.param.iter_size}.")
        self._is_root = solver_rank() == 0
        seed = self.param.random_seed
        if seed < 0 and solver_count() > 1:
            seed = shared_seed()
        if seed >= 0:
            set_random_seed(seed)
        learning_rate(self.param, 0)  # refuses a policy that lacks a field, before anything is run
        if self.param.snapshot:
            require_writable(self.param.snapshot_prefix)
        self.iter = 0
        self._steps = 0  # that "multistep" has taken
        self.net = open_train_net(self.param, folder)
        tests_here = self._is_root or share_tests()
        tests = open_test_nets(self.param, folder, self.net) if tests_here else []
        self.test_nets = NetVec(tests)
        if not self._is_root:
            set_random_seed(seed + solver_rank())
        self.loss_scale = LossScale() if lower_precision() == torch.float16 else None
        self.optimizer = Optimizer(self.param, rule(self.param), self.net.learnable_params)
        self._debug = self.net.log_debug_info(active=False) if self.param.debug_info else None
        if self._debug:
            for net in self.test_nets:
                net.log_debug_info()
        self.requested_action: Callable[[], str] = lambda: NONE
        self.agree_to_stop: Callable[[bool], bool] = lambda stop: stop
        self.mean_loss: Callable[[torch.Tensor | float], torch.Tensor | float] = lambda loss: loss
        self._callbacks: list[tuple[Callable[[], object], Callable[[], object] | None]] = []
        self._stopped = False
        self._losses: collections.deque[torch.Tensor | float] = collections.deque(
            maxlen=max(1, self.param.average_loss)
        )

    # training

    @property
    def lr(self) -> float:
        """The learning rate of the next step, before any lr_mult."""
        return learning_rate(self.param, self.iter, self._next_step())

    def _next_step(self) -> int:
        return next_step(self.param, self.iter, self._steps)

    @property
    def current_step(self) -> int:
        """How many times "step" or "multistep" had lowered the rate at the last step."""
        if self.param.lr_policy == "multistep":
            return self._steps
        return current_step(self.param, max(0, self.iter - 1))

    @property
    def progress(self) -> tuple[int, int]:
        """How many steps were taken, and how many of them lowered the rate of "multistep"."""
        return self.iter, self._steps

    @progress.setter
    def progress(self, progress: tuple[int, int]) -> None:
        self.iter, self._steps = progress

    @property
    def smoothed_loss(self) -> float:
        """The mean loss of the last `average_loss` steps."""
        return sum(float(loss) for loss in self._losses) / max(1, len(self._losses))

    def add_callback(
        self,
        on_start: Callable[[], object] | _Callbacks,
        on_gradients_ready: Callable[[], object] | None = None,
    ) -> None:
        """Call `on_start()` before each step and `on_gradients_ready()` before each update.

        An object that has methods of these names may be passed instead, as in pycaffe.
        """
        if isinstance(on_start, _Callbacks):
            self._callbacks.append((on_start.on_start, on_start.on_gradients_ready))
        else:
            self._callbacks.append((on_start, on_gradients_ready))

    def solve(self, resume_file: str | os.PathLike[str] | None = None) -> None:
        """Train to `max_iter`, as `caffe train` does, from a solver state if one is given."""
        log.info("solver.cpp:272", f"Solving {self.net.name}")
        log.info("solver.cpp:273", f"Learning Rate Policy: {self.param.lr_policy}")
        if resume_file:
            self.restore(resume_file)
        self.step(self.param.max_iter - self.iter)
        p = self.param
        is_whole = p.snapshot and self.iter % p.snapshot == 0
        if self._is_root and p.snapshot_after_train and not is_whole:
            self.snapshot()
        if self._stopped:
            log.info("solver.cpp:321", "Optimization stopped early.")
            return
        if p.display and self.iter % p.display == 0:
            # A pass in which solvers exchange what their layers share: all of them make it.
            self.net.training.forward()
            self._losses.append(self.mean_loss(self.net.loss()))
            loss = log.number(self.smoothed_loss)
            log.info("solver.cpp:310", f"Iteration {self.iter}, loss = {loss}")
        if p.test_interval and self.iter % p.test_interval == 0:
            self.test_all()
        log.info("solver.cpp:315", "Optimization Done.")

    def step(self, iterations: int) -> None:
        """Take `iterations` steps: gradients summed over `iter_size` passes, then one update."""
        p = self.param
        self._losses.clear()
        self._stopped = False
        speed = log.Speed(self.iter)
        for _ in range(iterations):
            due = bool(p.test_interval) and self.iter % p.test_interval == 0
            if due and not self._stopped and (self.iter or p.test_initialization):
                self.test_all()
            self._stopped = self.agree_to_stop(self._stopped)
            if self._stopped:
                break
            self.net.clear_param_diffs()
            for on_start, _ in self._callbacks:
                on_start()
            display = self._is_root and bool(p.display) and self.iter % p.display == 0
            if self._debug:
                self._debug.active = display
            self._losses.append(self.mean_loss(self._sum_gradients()))
            if display:
                self._log_progress(speed)
            for _, on_gradients_ready in self._callbacks:
                if on_gradients_ready is not None:
                    on_gradients_ready()
            if self._may_update():
                self.apply_update()
            else:
                self._steps = self._next_step()
                self.iter += 1
            request = self.requested_action()
            due = bool(p.snapshot) and self.iter % p.snapshot == 0
            if self._is_root and (request == SNAPSHOT or due):
                self.snapshot()
            self._stopped = request == STOP

    def _sum_gradients(self) -> torch.Tensor | float:
        loss: torch.Tensor | float = 0.0
        if self.loss_scale is not None:
            self.net.training.scale_losses(self.loss_scale.value)
        for _ in range(self.param.iter_size):
            self.net.training.forward()
            loss = loss + self.net.loss()
            if self.param.debug_info:
                self._refuse_nan()
            self.net.training.backward()
        if self.loss_scale is not None:
            self.loss_scale.unscale(self._parameters())
        return loss / self.param.iter_size

    def _parameters(self) -> list[Blob]:
        return [param.blob for param in self.net.learnable_params]

    def _may_update(self) -> bool:
        scale = self.loss_scale
        return scale is None or scale.accept(self._parameters(), self.iter)

    def _refuse_nan(self) -> None:
        """Raise `InputError` if a top of the last pass is not finite; names the first."""
        found = self.net.first_not_finite()
        if found is not None:
            layer, blob = found
            raise InputError(
                f'iteration {self.iter}: layer "{layer}" is the first whose top, "{blob}", holds '
                "NaN or infinite numbers. If its bottoms and parameters are large, lower base_lr "
                "or set clip_gradients; if it reads data, check the data."
            )

    def apply_update(self) -> None:
        """Change the weights by the present gradients, and count that as a step in `iter`."""
        rate = self.lr
        if self.param.display and self.iter % self.param.display == 0:
            log.info("sgd_solver.cpp:138", f"Iteration {self.iter}, lr = {log.number(rate)}")
        self._steps = self._next_step()
        self.optimizer.apply(rate, self.iter)
        self.net.training.weights_updated(self.optimizer.undone)
        self.iter += 1

    def _log_progress(self, speed: log.Speed) -> None:
        loss = log.number(self.smoothed_loss)
        lap = speed.lap(self.iter, self.param.display)
        log.info("solver.cpp:239", f"Iteration {self.iter} ({lap}), loss = {loss}")
        if not (self.param.debug_info or math.isfinite(self.smoothed_loss)):
            log.logger.warning("The loss is not a number; debug_info: true shows where it began.")
        values = [(name, self.net.blobs[name].data.ravel()) for name in self.net.outputs]
        log.outputs("solver.cpp:258", "Train", self.net.blob_loss_weights, values)

    # testing

    def test_all(self) -> None:
        """Run every test net over its `test_iter` batches and log its mean outputs, in the root."""
        if not self._is_root:
            return
        for number in range(len(self.test_nets)):
            if not self._stopped:
                self.test(number)

    def test(self, number: int = 0) -> dict[str, NDArray[np.float64]]:
        """Run test net `number`; logs and returns name -> mean output, a flat array.

        If `requested_action` returns STOP meanwhile, nothing is logged or returned.
        """
        log.info("solver.cpp:347", f"Iteration {self.iter}, Testing net (#{number})")
        net, passes = self.test_nets[number], self.param.test_iter[number]
        net.share_with(self.net)
        sums: dict[str, NDArray[np.float64]] = {}
        loss = 0.0
        for _ in range(passes):
            request = self.requested_action()
            if request == SNAPSHOT:
                self.snapshot()
            if request == STOP:
                self._stopped = True
                log.info("solver.cpp:395", "Test interrupted.")
                return {}
            net.run_forward()
            if self.param.test_compute_loss:
                loss += float(net.loss())
            for name in net.outputs:
                values = net.blobs[name].data.ravel().astype(float)
                sums[name] = sums[name] + values if name in sums else values
        if self.param.test_compute_loss:
            mean = loss / passes if passes else math.nan  # of no batch, as in Caffe
            log.info("solver.cpp:404", f"Test loss: {log.number(mean)}")
        means = {name: total / passes for name, total in sums.items()}
        log.outputs("solver.cpp:414", "Test", net.blob_loss_weights, means.items())
        return means

    def share_weights(self, net: Net) -> None:
        """Train the parameters of `net`: the layers of the same names use them from now on."""
        self.net.share_with(net)

    # files

    def snapshot(self) -> tuple[str, str]:
        """Write weights and solver state; returns their paths."""
        state = SolverState(iter=self.iter, current_step=self.current_step)
        if self.loss_scale is not None:
            state.loss_scale, state.loss_scale_steps = self.loss_scale.value, self.loss_scale.steps
        return write_snapshot(self.param, self.net, self.optimizer, state)

    def restore(self, path: str | os.PathLike[str]) -> None:
        """Continue from a `.solverstate` (or `.solverstate.h5`), weights included.

        As in Caffe, "multistep" goes on from the number of steps in the state.
        """
        state = restore_snapshot(path, self.net, self.optimizer)
        self.iter, self._steps = state.iter, state.current_step
        if self.loss_scale is not None and state.loss_scale:
            self.loss_scale = LossScale(state.loss_scale, state.loss_scale_steps)
