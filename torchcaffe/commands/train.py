"""Trains a net from a solver prototxt, as `caffe train` does, on one device or several."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from caffeformat import InputError, format_text, pb, read_solver
from caffeformat.files import locked
from torchcaffe import core, log
from torchcaffe.core import set_sync_batch_norm
from torchcaffe.solvers import (
    NCCL,
    SNAPSHOT,
    STOP,
    Joined,
    Line,
    SignalActions,
    Solver,
    has_launched,
    join,
    local_rank,
    run_ranks,
)

from .engine_flags import (
    GPUS,
    NET_FLAGS,
    PROCESSES,
    RECOMPUTE,
    SYNC_BATCH_NORM,
    WEIGHTS,
    allow_python,
    choose_precision,
    gpu_numbers,
    require,
    words,
)
from .flags import Flag, Flags
from .main import expect_arguments, follow_log_flags
from .net_log import log_net

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

USAGE = "-solver SOLVER [-snapshot STATE | -weights WEIGHTS]"
FLAGS = [
    Flag("solver", "", "the solver's prototxt"),
    Flag("snapshot", "", "the solver state to resume from"),
    WEIGHTS,
    Flag("sigint_effect", STOP, "what SIGINT (Ctrl-C) does: snapshot, stop or none"),
    Flag("sighup_effect", SNAPSHOT, "what SIGHUP does: snapshot, stop or none"),
    *NET_FLAGS,
    GPUS,
    PROCESSES,
    SYNC_BATCH_NORM,
    RECOMPUTE,
]


def run(flags: Flags, arguments: list[str]) -> None:
    """Train to `max_iter`, or until SIGINT; the last snapshot is written in both cases."""
    expect_arguments(arguments, f"torchcaffe train {USAGE}", 0)
    require(flags.solver, "solver", "training needs a solver")
    if flags.snapshot and flags.weights:
        raise InputError(
            "-snapshot and -weights exclude each other: pass a snapshot to resume from, or weights "
            "to start a new run from."
        )
    param = _read_solver(flags)
    devices = _devices(flags, param)
    if has_launched():
        is_root = os.environ["RANK"] == "0"
        with (
            _locked_prefix(param) if is_root else contextlib.nullcontext(),
            SignalActions(flags.sigint_effect, flags.sighup_effect) as actions,
        ):
            _train_joined(devices, flags, actions.requested)
        return
    with _locked_prefix(param), SignalActions(flags.sigint_effect, flags.sighup_effect) as actions:
        if len(devices) > 1:
            train_on(devices, flags, actions.requested)
        else:
            _use(devices[0])
            _train(param, flags, actions.requested)
    log.info("caffe.cpp:250", "Optimization Done.")


def _locked_prefix(param: pb.SolverParameter) -> AbstractContextManager[None]:
    """Keep other processes from writing snapshots under the solver's prefix."""
    if not (param.snapshot or param.snapshot_after_train):
        return contextlib.nullcontext()
    if not os.path.isdir(os.path.dirname(param.snapshot_prefix) or "."):
        return contextlib.nullcontext()  # the solver says so
    return locked(f"{param.snapshot_prefix}_iter_")


def train_on(devices: Sequence[int | None], flags: Flags, requested: Callable[[], str]) -> None:
    """Train on several devices, with one process and one solver each.

    A device is the number of a GPU, or None for the CPU. `flags` are those of the command;
    `requested` is that of a `SignalActions`.
    """
    run_ranks(_train_rank, len(devices), (devices, flags), requested)


def _train_rank(line: Line, devices: Sequence[int | None], flags: Flags) -> None:
    """Train with one solver of several, in a process of its own."""
    log.attach()
    _train_joined(devices, flags, line.requested)


def _train_joined(
    devices: Sequence[int | None], flags: Flags, requested: Callable[[], str]
) -> None:
    """Train together with the other processes that torchrun has started.

    `devices` are those of this machine's processes.
    """
    _use(devices[local_rank()[0]])
    joined = join()
    if joined.is_root:
        follow_log_flags("train", flags)
    set_sync_batch_norm(flags.sync_batch_norm)
    _train(_read_solver(flags), flags, requested, joined)
    joined.close()


def _train(
    param: pb.SolverParameter,
    flags: Flags,
    requested: Callable[[], str],
    joined: Joined | None = None,
) -> None:
    """Build the solver and train, with the solvers of the processes that are `joined`."""
    allow_python(flags.allow_python)
    choose_precision(flags.precision)
    solver = _make_solver(param, flags)
    solver.net.training.recompute = flags.recompute
    solver.requested_action = requested
    if flags.snapshot:
        log.info("caffe.cpp:235", f"Resuming from {flags.snapshot}")
        solver.restore(flags.snapshot)
        log.info("caffe.cpp:236", "Data layers start from the beginning, as in Caffe.")
    if joined is not None:
        NCCL(solver, joined=joined).connect()
    log.info("caffe.cpp:239", "Starting Optimization")
    solver.solve()


def _read_solver(flags: Flags) -> pb.SolverParameter:
    """Read the solver, with the settings that flags override."""
    param = read_solver(flags.solver)
    param.train_state.level = flags.level
    param.train_state.stage.extend(words(flags.stage))
    if flags.snapshot or flags.weights:
        del param.weights[:]
    if flags.weights:
        param.weights.append(flags.weights)
    return param


def _devices(flags: Flags, param: pb.SolverParameter) -> list[int | None]:
    """Choose by -gpu and -processes, or else by the solver, and log the choice.

    A device is the number of a GPU, or None for the CPU, for each process on this machine.
    """
    if flags.processes < 1 or (flags.processes > 1 and flags.gpu):
        raise InputError(
            f"-processes is {flags.processes}; expected 1 or more, and no -gpu: GPUs have a "
            "process each."
        )
    asks = param.HasField("solver_mode") and param.solver_mode == pb.SolverParameter.GPU
    asks = asks and not flags.gpu and flags.processes == 1
    gpus = gpu_numbers(str(param.device_id) if asks else flags.gpu)
    devices: list[int | None] = [*gpus] if gpus else [None] * flags.processes
    if has_launched():
        here = local_rank()[1]
        if not gpus and flags.processes == 1:
            devices *= here
        if len(devices) != here:
            raise InputError(
                f"torchrun has started {here} processes here, but there are {len(devices)} devices "
                "for them: choose as many by -gpu or -processes."
            )
    if gpus:
        log.info("caffe.cpp:204", f"Using GPUs {', '.join(map(str, gpus))}")
    else:
        log.info("caffe.cpp:197", "Use CPU.")
    for number in gpus:
        log.info("caffe.cpp:209", f"GPU {number}: {core.gpus().get_device_name(number)}")
    return devices


def _use(gpu: int | None) -> None:
    """Set GPU mode on that GPU, or CPU mode for None."""
    if gpu is None:
        core.set_mode_cpu()
    else:
        core.set_device(gpu)
        core.set_mode_gpu()


def _make_solver(param: pb.SolverParameter, flags: Flags) -> Solver:
    """Build the solver, logging it and its nets as Caffe does."""
    log.info("solver.cpp:45", "Initializing solver from parameters: ", format_text(param))
    solver = Solver(flags.solver, param=param)
    log_net(solver.net)
    for net in solver.test_nets:
        log_net(net)
    log.info("solver.cpp:57", "Solver scaffolding done.")
    return solver
