"""Trains a net from a solver prototxt, as `caffe train` does."""

from caffeformat import InputError, format_text, pb, read_solver

from .. import device, log
from ..signals import SNAPSHOT, STOP, SignalActions
from ..solver import Solver
from . import expect_arguments
from .engine_flags import (
    ALLOW_PYTHON,
    GPU,
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
    GPU,
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
    allow_python(flags)
    with SignalActions(flags.sigint_effect, flags.sighup_effect) as actions:
        solver = _make_solver(flags)
        solver.requested_action = actions.requested
        if flags.snapshot:
            log.info("caffe.cpp:235", f"Resuming from {flags.snapshot}")
            solver.restore(flags.snapshot)
        log.info("caffe.cpp:239", "Starting Optimization")
        solver.solve()
        log.info("caffe.cpp:250", "Optimization Done.")


def _make_solver(flags):
    param = read_solver(flags.solver)
    param.train_state.level = flags.level
    param.train_state.stage.extend(words(flags.stage))
    if flags.snapshot or flags.weights:
        del param.weights[:]
    if flags.weights:
        param.weights.append(flags.weights)
    gpu = flags.gpu
    if not gpu and param.HasField("solver_mode") and param.solver_mode == pb.SolverParameter.GPU:
        gpu = str(param.device_id)
    _choose_devices(gpu_numbers(gpu))
    log.info("solver.cpp:45", f"Initializing solver from parameters: \n{format_text(param)}")
    solver = Solver(flags.solver, param=param)
    log_net(solver.net)
    for net in solver.test_nets:
        log_net(net)
    log.info("solver.cpp:57", "Solver scaffolding done.")
    return solver


def _choose_devices(numbers):
    """Set CPU mode, or GPU mode on the GPU that `numbers` names, and log it as Caffe does."""
    if not numbers:
        log.info("caffe.cpp:197", "Use CPU.")
        device.set_mode_cpu()
        return
    if len(numbers) > 1:
        raise InputError(f"-gpu names {len(numbers)} GPUs, but this engine uses one; choose one.")
    log.info("caffe.cpp:204", f"Using GPUs {', '.join(map(str, numbers))}")
    for number in numbers:
        log.info("caffe.cpp:209", f"GPU {number}: {device.gpus().get_device_name(number)}")
    device.set_device(numbers[0])
    device.set_mode_gpu()
