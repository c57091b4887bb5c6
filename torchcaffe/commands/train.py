"""Trains a net from a solver prototxt, as `caffe train` does, on one device or several GPUs."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from caffeformat import InputError, format_text, pb, read_solver
from caffeformat.files import locked
from torchcaffe import core, log
from torchcaffe.core import set_solver_count, set_solver_rank
from torchcaffe.solvers import NCCL, SNAPSHOT, STOP, SignalActions, Solver, run_ranks

from .engine_flags import GPUS, NET_FLAGS, WEIGHTS, allow_python, gpu_numbers, require, words
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
    gpus = _gpus(flags.gpu, param)
    with _locked_prefix(param), SignalActions(flags.sigint_effect, flags.sighup_effect) as actions:
        if len(gpus) > 1:
            train_on(gpus, flags, actions.requested)
        else:
            _use(gpus[0] if gpus else None)
            _train(param, flags, actions.requested)
    log.info("caffe.cpp:250", "Optimization Done.")


def _locked_prefix(param: pb.SolverParameter) -> AbstractContextManager[None]:
    """Keep other processes from writing snapshots under the solver's prefix."""
    if not (param.snapshot or param.snapshot_after_train):
        return contextlib.nullcontext()
    if not os.path.isdir(os.path.dirname(param.snapshot_prefix) or "."):
        return contextlib.nullcontext()  # the solver says so
    return locked(f"{param.snapshot_prefix}_iter_")


def train_on(gpus: Sequence[int | None], flags: Flags, requested: Callable[[], str]) -> None:
    """Train on several devices, with one process and one solver each.

    A device is the number of a GPU, or None for the CPU. `flags` are those of the command;
    `requested` is that of a `SignalActions`.
    """
    uid = NCCL.new_uid()
    try:
        run_ranks(_train_rank, len(gpus), (gpus, flags, uid), requested)
    finally:
        with contextlib.suppress(FileNotFoundError):  # PyTorch removes it if all went well
            os.unlink(uid)


def _train_rank(
    rank: int,
    requested: Callable[[], str],
    gpus: Sequence[int | None],
    flags: Flags,
    uid: str,
) -> None:
    """Train with solver number `rank`, in a process of its own."""
    log.attach()
    if rank == 0:
        follow_log_flags("train", flags)
    set_solver_count(len(gpus))
    set_solver_rank(rank)
    _use(gpus[rank])

    def join(solver: Solver) -> NCCL:
        nccl = NCCL(solver, uid)
        nccl.bcast()
        solver.add_callback(nccl)
        solver.agree_to_stop = nccl.agree
        return nccl

    joined = _train(_read_solver(flags), flags, requested, join)
    if joined is not None:
        joined.close()


def _train(
    param: pb.SolverParameter,
    flags: Flags,
    requested: Callable[[], str],
    join: Callable[[Solver], NCCL] | None = None,
) -> NCCL | None:
    """Build the solver, let `join(solver)` connect it with others, and train.

    Returns what `join` returned.
    """
    allow_python(flags.allow_python)
    solver = _make_solver(param, flags)
    solver.requested_action = requested
    if flags.snapshot:
        log.info("caffe.cpp:235", f"Resuming from {flags.snapshot}")
        solver.restore(flags.snapshot)
        log.info("caffe.cpp:236", "Data layers start from the beginning, as in Caffe.")
    joined = join(solver) if join else None
    log.info("caffe.cpp:239", "Starting Optimization")
    solver.solve()
    return joined


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


def _gpus(text: str, param: pb.SolverParameter) -> list[int]:
    """Choose the GPUs by -gpu or else by the solver, and log them; an empty list means the CPU."""
    asks = param.HasField("solver_mode") and param.solver_mode == pb.SolverParameter.GPU
    gpus = gpu_numbers(str(param.device_id) if asks and not text else text)
    if gpus:
        log.info("caffe.cpp:204", f"Using GPUs {', '.join(map(str, gpus))}")
    else:
        log.info("caffe.cpp:197", "Use CPU.")
    for number in gpus:
        log.info("caffe.cpp:209", f"GPU {number}: {core.gpus().get_device_name(number)}")
    return gpus


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
