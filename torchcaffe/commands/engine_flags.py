"""Flags that several of Caffe's commands share, and functions that apply them.

A command lists its own flags first, then `NET_FLAGS`, then the device's.
"""

from __future__ import annotations

from caffeformat import InputError, pb
from torchcaffe import core, log
from torchcaffe.layers import allow_python_modules
from torchcaffe.nets import Net

from .flags import Flag, Flags
from .net_log import log_net

_NET, _DEVICE = "net", "device"

MODEL = Flag("model", "", "the net's prototxt")
WEIGHTS = Flag("weights", "", "caffemodels to start from, separated by commas")
ITERATIONS = Flag("iterations", 50, "number of batches to run")
LEVEL = Flag("level", 0, "the net's level", _NET)
STAGE = Flag("stage", "", "the net's stages, separated by commas", _NET)
ALLOW_PYTHON = Flag(
    "allow_python",
    "",
    "modules whose Python layers may run, separated by commas (not in Caffe)",
    _NET,
)
PRECISION = Flag(
    "precision",
    "float32",
    "the type in which nets compute: float32, bfloat16 or float16 (not in Caffe)",
    _NET,
)
NET_FLAGS = [LEVEL, STAGE, ALLOW_PYTHON, PRECISION]
GPU = Flag("gpu", "", "run on the GPU of this number", _DEVICE)
GPUS = Flag("gpu", "", "train on the GPUs of these numbers, separated by commas (or: all)", _DEVICE)

PROCESSES = Flag("processes", 1, "train in this many processes on the CPU (not in Caffe)", _DEVICE)
RECOMPUTE = Flag(
    "recompute",
    False,
    "compute activations twice rather than keep them: less memory, more time (not in Caffe)",
    _DEVICE,
)
SYNC_BATCH_NORM = Flag(
    "sync_batch_norm",
    False,
    "with several GPUs or processes, normalize by the batches of all (not in Caffe)",
    _DEVICE,
)


def words(text: str) -> list[str]:
    """Split the value of a flag at its commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def require(value: str, flag: str, what: str) -> None:
    """Raise `InputError` if a flag that the command cannot do without is missing."""
    if not value:
        raise InputError(f"{what}: pass -{flag}.")


def allow_python(modules: str) -> None:
    """Let the Python layers of the modules that -allow_python names run."""
    allow_python_modules(*words(modules))


def choose_precision(name: str) -> None:
    """Let nets compute in the type that -precision names."""
    if name not in core.PRECISIONS:
        raise InputError(f'-precision is "{name}"; expected one of {", ".join(core.PRECISIONS)}.')
    core.set_precision(name)


def gpu_numbers(text: str) -> list[int]:
    """Parse -gpu into the numbers of GPUs; an empty list if it names none.

    Raises `InputError` for a number that is not that of a GPU.
    """
    if text == "all":
        numbers = list(range(core.gpu_count()))
        if not numbers:
            raise InputError("-gpu is all, but PyTorch finds no CUDA device here.")
        return numbers
    try:
        numbers = [int(part) for part in words(text)]
    except ValueError:
        raise InputError(f'-gpu is "{text}"; expected numbers, or all.') from None
    if len(set(numbers)) < len(numbers):
        raise InputError(f"-gpu {text} names a GPU twice.")
    for number in numbers:
        core.require_gpu(number)
    return numbers


def choose_device(gpu: str, place: str) -> None:
    """Set CPU or GPU mode by the value of -gpu, and log it as Caffe does at `place`.

    Of several GPUs the first is used, as in all of Caffe's commands except `train`.
    """
    numbers = gpu_numbers(gpu)
    if not numbers:
        log.info(place, "Use CPU.")
        core.set_mode_cpu()
        return
    log.info(place, f"Use GPU with device ID {numbers[0]}")
    log.info(place, f"GPU device name: {core.gpus().get_device_name(numbers[0])}")
    core.set_device(numbers[0])
    core.set_mode_gpu()


def phase_named(name: str) -> int:
    """Return the phase that -phase names."""
    phases = {"TRAIN": pb.TRAIN, "TEST": pb.TEST}
    if name not in phases:
        raise InputError(f'-phase is "{name}"; expected TRAIN or TEST.')
    return phases[name]


def open_net(flags: Flags, phase: int, place: str) -> Net:
    """Build the net that -model names on the device that -gpu names, and log both as Caffe does.

    Raises `InputError` unless there is at least one iteration to run.
    """
    if flags.iterations < 1:
        raise InputError(f"-iterations is {flags.iterations}; expected 1 or more.")
    allow_python(flags.allow_python)
    choose_precision(flags.precision)
    choose_device(flags.gpu, place)
    net = Net(flags.model, phase=phase, level=flags.level, stages=words(flags.stage))
    log_net(net)
    return net
