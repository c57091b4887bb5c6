"""Solvers: the training loop, with pycaffe's names.

    solver = get_solver("solver.prototxt")
    solver.step(100)          # or solve()
    solver.net.blobs["loss"].data, solver.iter, solver.test_nets

The learning rate is `lr_policy`'s business, what becomes of a gradient `update_rules`', and files
are `snapshot`'s.
"""

import collections
import math
import os

from caffeformat import InputError, pb, read_solver, upgrade_solver
from caffeformat.lr_policy import current_step, learning_rate

from . import log
from .debug_info import DebugInfo, refuse_nan
from .device import set_random_seed
from .optimizer import Optimizer
from .process import solver_rank
from .signals import NONE, SNAPSHOT, STOP
from .snapshot import require_writable, restore_snapshot, write_snapshot
from .solver_nets import open_test_nets, open_train_net
from .update_rules import find_rule, rule_names


class Solver:
    """Trains the net that a solver prototxt names.

    Attributes as in pycaffe: `net`, `test_nets`, `iter` (steps taken), `param` (SolverParameter).
    Beyond it: `requested_action`, a function that is called after every step and test pass and
    says what is wanted of the run (`signals.STOP`, `SNAPSHOT` or `NONE`); `agree_to_stop`, which is
    told before every step whether this solver would stop, and says whether it does.

    Of several solvers that share the work (`data_parallel`) only the root tests, displays and
    snapshots.
    """

    type = None  # a subclass is of one type; this class takes it from the prototxt

    def __init__(self, solver_file=None, param=None):
        """From the file `solver_file`, or from a SolverParameter `param` (perhaps read from it)."""
        folder = "" if solver_file is None else os.path.dirname(os.fspath(solver_file))
        if param is None:
            self.param = read_solver(solver_file)
        else:
            self.param = pb.SolverParameter()
            self.param.CopyFrom(param)
            upgrade_solver(self.param)
        rule = find_rule(self.type or self.param.type)
        if rule is None:
            raise InputError(
                f'there is no solver of type "{self.param.type}"; known: {", ".join(rule_names())}.'
            )
        if self.param.snapshot_diff:
            raise InputError(
                "snapshot_diff: snapshots hold no gradients here; take it out of the solver."
            )
        if self.param.iter_size < 1:
            raise InputError(f"iter_size must be 1 or more, found {self.param.iter_size}.")
        self._is_root = solver_rank() == 0
        if self.param.random_seed >= 0 or not self._is_root:
            set_random_seed(max(0, self.param.random_seed) + solver_rank())
        learning_rate(self.param, 0)  # refuses a policy that lacks a field, before anything is run
        if self.param.snapshot:
            require_writable(self.param.snapshot_prefix)
        self.iter = 0
        self.net = open_train_net(self.param, folder)
        self.test_nets = open_test_nets(self.param, folder, self.net) if self._is_root else []
        self.optimizer = Optimizer(self.param, rule(self.param), self.net.learnable_params)
        self._debug = DebugInfo(self.net, active=False) if self.param.debug_info else None
        if self._debug:
            for net in self.test_nets:
                DebugInfo(net)
        self.requested_action = lambda: NONE
        self.agree_to_stop = lambda stop: stop
        self._callbacks, self._stopped = [], False
        self._losses = collections.deque(maxlen=max(1, self.param.average_loss))

    # training

    @property
    def lr(self):
        """The learning rate of the next step, before any lr_mult."""
        return learning_rate(self.param, self.iter)

    @property
    def current_step(self):
        """How often "step" or "multistep" had lowered the rate at the last step."""
        return current_step(self.param, max(0, self.iter - 1))

    @property
    def smoothed_loss(self):
        """The mean loss of the last `average_loss` steps."""
        return sum(float(loss) for loss in self._losses) / max(1, len(self._losses))

    def add_callback(self, on_start, on_gradients_ready=None):
        """Call `on_start()` before each step and `on_gradients_ready()` before each update.

        An object that has methods of these names may be given instead, as in pycaffe.
        """
        if hasattr(on_start, "on_gradients_ready"):
            on_start, on_gradients_ready = on_start.on_start, on_start.on_gradients_ready
        self._callbacks.append((on_start, on_gradients_ready))

    def solve(self, resume_file=None):
        """Train to `max_iter`, as `caffe train` does, from a solver state if one is given."""
        log.info("solver.cpp:272", f"Solving {self.net.name}")
        log.info("solver.cpp:273", f"Learning Rate Policy: {self.param.lr_policy}")
        if resume_file:
            self.restore(resume_file)
        self.step(self.param.max_iter - self.iter)
        if not self._is_root:
            return
        p = self.param
        if p.snapshot_after_train and not (p.snapshot and self.iter % p.snapshot == 0):
            self.snapshot()
        if self._stopped:
            log.info("solver.cpp:321", "Optimization stopped early.")
            return
        if p.display and self.iter % p.display == 0:
            self.net.run_forward()
            self._losses.append(self.net.loss())
            loss = log.number(self.smoothed_loss)
            log.info("solver.cpp:310", f"Iteration {self.iter}, loss = {loss}")
        if p.test_interval and self.iter % p.test_interval == 0:
            self.test_all()
        log.info("solver.cpp:315", "Optimization Done.")

    def step(self, iterations):
        """Take `iterations` steps: gradients summed over `iter_size` passes, then one update."""
        p = self.param
        self._losses.clear()
        self._stopped = False
        speed = log.Speed(self.iter)
        for _ in range(iterations):
            due = p.test_interval and self.iter % p.test_interval == 0
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
            self._losses.append(self._sum_gradients())
            if display:
                self._log_progress(speed)
            for _, on_gradients_ready in self._callbacks:
                if on_gradients_ready is not None:
                    on_gradients_ready()
            self.apply_update()
            self.iter += 1
            request = self.requested_action()
            due = p.snapshot and self.iter % p.snapshot == 0
            if self._is_root and (request == SNAPSHOT or due):
                self.snapshot()
            self._stopped = request == STOP

    def _sum_gradients(self):
        loss = 0
        for _ in range(self.param.iter_size):
            self.net.run_forward()
            loss = loss + self.net.loss()
            if self.param.debug_info:
                refuse_nan(self.net, self.iter)
            self.net.run_backward()
        return loss / self.param.iter_size

    def apply_update(self):
        """Change the weights by the gradients that are there."""
        rate = self.lr
        if self.param.display and self.iter % self.param.display == 0:
            log.info("sgd_solver.cpp:138", f"Iteration {self.iter}, lr = {log.number(rate)}")
        self.optimizer.apply(rate, self.iter)

    def _log_progress(self, speed):
        loss = log.number(self.smoothed_loss)
        lap = speed.lap(self.iter, self.param.display)
        log.info("solver.cpp:239", f"Iteration {self.iter} ({lap}), loss = {loss}")
        if not (self.param.debug_info or math.isfinite(self.smoothed_loss)):
            log.logger.warning("The loss is no number; debug_info: true tells where that began.")
        values = [(name, self.net.blobs[name].data.ravel()) for name in self.net.outputs]
        log.outputs("solver.cpp:258", "Train", self.net, values)

    # testing

    def test_all(self):
        """Run every test net over its `test_iter` batches and log its mean outputs."""
        for number in range(len(self.test_nets)):
            if not self._stopped:
                self.test(number)

    def test(self, number=0):
        """Run test net `number`; logs and returns name -> mean output, a flat array.

        Where `requested_action` says STOP meanwhile, nothing is logged or returned.
        """
        log.info("solver.cpp:347", f"Iteration {self.iter}, Testing net (#{number})")
        net, passes = self.test_nets[number], self.param.test_iter[number]
        net.share_with(self.net)
        sums, loss = {}, 0.0
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
                sums[name] = sums.get(name, 0) + net.blobs[name].data.ravel().astype(float)
        if self.param.test_compute_loss:
            log.info("solver.cpp:404", f"Test loss: {log.number(loss / passes)}")
        means = {name: total / passes for name, total in sums.items()}
        log.outputs("solver.cpp:414", "Test", net, means.items())
        return means

    def share_weights(self, net):
        """Train the parameters of `net`: the layers of the same names use them from now on."""
        self.net.share_with(net)

    # files

    def snapshot(self):
        """Write weights and solver state; returns their paths."""
        return write_snapshot(self)

    def restore(self, path):
        """Go on from a `.solverstate` (or `.solverstate.h5`), weights included."""
        restore_snapshot(self, path)


def _solver_class(rule_name):
    return type(
        f"{rule_name}Solver",
        (Solver,),
        {"type": rule_name, "__doc__": f"A Solver that uses {rule_name} whatever its file says."},
    )


SGDSolver = _solver_class("SGD")
NesterovSolver = _solver_class("Nesterov")
AdaGradSolver = _solver_class("AdaGrad")
RMSPropSolver = _solver_class("RMSProp")
AdaDeltaSolver = _solver_class("AdaDelta")
AdamSolver = _solver_class("Adam")


def get_solver(solver_file=None, param=None):
    """A solver of the type that the file, or a SolverParameter `param`, names."""
    return Solver(solver_file, param)
