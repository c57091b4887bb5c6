"""Trains a net from a solver prototxt, as `caffe train` does, on one device or several GPUs."""

import contextlib
import os

from caffeformat import InputError, format_text, pb, read_solver

from .. import device, log
from ..data_parallel import NCCL
from ..process import set_solver_count, set_solver_rank
from ..rank_processes import run_ranks
from ..signals import SNAPSHOT, STOP, SignalActions
from ..solver import Solver
from . import expect_arguments, follow_log_flags
from .engine_flags import (
    ALLOW_PYTHON,
    LEVEL,
    STAGE,
    WEIGHTS,
    allow_python,
    gpu_numbers,
    require,
    words,
)
from .flags import Flag
from .net_log import log_net

USAGE = "-solver SOLVER [-snapshot STATE | -weights WEIGHTS]"
FLAGS = [
    Flag("solver", "", "the solver's prototxt"),
    Flag("snapshot", "", "the solver state to go on from"),
    WEIGHTS,
    Flag("gpu", "", "train on the GPUs of these numbers, separated by commas (or: all)"),
    LEVEL,
    STAGE,
    Flag("sigint_effect", STOP, "what SIGINT (Ctrl-C) does: snapshot, stop or none"),
    Flag("sighup_effect", SNAPSHOT, "what SIGHUP does: snapshot, stop or none"),
    ALLOW_PYTHON,
]


def run(flags, arguments):
    """Train to `max_iter`, or until SIGINT; the last snapshot is written in both cases."""
    expect_arguments(arguments, f"torchcaffe train {USAGE}", 0)
    require(flags.solver, "solver", "training needs a solver")
    if flags.snapshot and flags.weights:
        raise InputError(
            "-snapshot and -weights exclude each other: go on from a snapshot, or begin anew with "
            "weights."
        )
    param = _read_solver(flags)
    gpus = _gpus(flags.gpu, param)
    with SignalActions(flags.sigint_effect, flags.sighup_effect) as actions:
        if len(gpus) > 1:
            train_on(gpus, flags, actions.requested)
        else:
            _use(gpus[0] if gpus else None)
            _train(param, flags, actions.requested)
    log.info("caffe.cpp:250", "Optimization Done.")


def train_on(gpus, flags, requested):
    """Train on several devices, a process and a solver each (a GPU's number, or None: the CPU).

    `flags` are those of the command; `requested` is what `SignalActions` offers.
    """
    uid = NCCL.new_uid()
    try:
        run_ranks(_train_rank, len(gpus), (gpus, flags, uid), requested)
    finally:
        with contextlib.suppress(FileNotFoundError):  # PyTorch removes it where all went well
            os.unlink(uid)


def _train_rank(rank, requested, gpus, flags, uid):
    """What the process of solver number `rank` does."""
    log.attach()
    if rank == 0:
        follow_log_flags("train", flags)
    set_solver_count(len(gpus))
    set_solver_rank(rank)
    _use(gpus[rank])

    def join(solver):
        nccl = NCCL(solver, uid)
        nccl.bcast()
        solver.add_callback(nccl)
        solver.agree_to_stop = nccl.agree
        return nccl

    _train(_read_solver(flags), flags, requested, join).close()


def _train(param, flags, requested, join=lambda solver: None):
    """Build the solver, let `join(solver)` connect it with others, and train.

    Returns what `join` returned.
    """
    allow_python(flags)
    solver = _make_solver(param, flags)
    solver.requested_action = requested
    if flags.snapshot:
        log.info("caffe.cpp:235", f"Resuming from {flags.snapshot}")
        solver.restore(flags.snapshot)
    joined = join(solver)
    log.info("caffe.cpp:239", "Starting Optimization")
    solver.solve()
    return joined


def _read_solver(flags):
    param = read_solver(flags.solver)
    param.train_state.level = flags.level
    param.train_state.stage.extend(words(flags.stage))
    if flags.snapshot or flags.weights:
        del param.weights[:]
    if flags.weights:
        param.weights.append(flags.weights)
    return param


def _gpus(text, param):
    """The numbers of the GPUs by `-gpu`, else by the solver; none for the CPU."""
    asks = param.HasField("solver_mode") and param.solver_mode == pb.SolverParameter.GPU
    gpus = gpu_numbers(str(param.device_id) if asks and not text else text)
    if gpus:
        log.info("caffe.cpp:204", f"Using GPUs {', '.join(map(str, gpus))}")
    else:
        log.info("caffe.cpp:197", "Use CPU.")
    for number in gpus:
        log.info("caffe.cpp:209", f"GPU {number}: {device.gpus().get_device_name(number)}")
    return gpus


def _use(gpu):
    """GPU mode on that GPU, or CPU mode for None."""
    if gpu is None:
        device.set_mode_cpu()
    else:
        device.set_device(gpu)
        device.set_mode_gpu()


def _make_solver(param, flags):
    log.info("solver.cpp:45", f"Initializing solver from parameters: \n{format_text(param)}")
    solver = Solver(flags.solver, param=param)
    log_net(solver.net)
    for net in solver.test_nets:
        log_net(net)
    log.info("solver.cpp:57", "Solver scaffolding done.")
    return solver
