"""Flags that several of Caffe's commands share, and what becomes of them."""

from caffeformat import InputError, pb

from .. import device, log
from ..python_layers import allow_python_modules
from .flags import Flag

GPU = Flag("gpu", "", "run on the GPU of this number")
LEVEL = Flag("level", 0, "the net's level")
STAGE = Flag("stage", "", "the net's stages, separated by commas")
MODEL = Flag("model", "", "the net's prototxt")
WEIGHTS = Flag("weights", "", "caffemodels to begin with, separated by commas")
ITERATIONS = Flag("iterations", 50, "how many batches to run")
ALLOW_PYTHON = Flag(
    "allow_python", "", "modules whose Python layers may run, separated by commas (not in Caffe)"
)


def words(text):
    """The parts of a flag that commas separate."""
    return [part.strip() for part in text.split(",") if part.strip()]


def require(value, flag, what):
    """Raise `InputError` where the flag without which nothing can be done is missing."""
    if not value:
        raise InputError(f"{what}: give -{flag}.")


def require_iterations(flags):
    """Raise `InputError` unless there is at least one iteration to run."""
    if flags.iterations < 1:
        raise InputError(f"-iterations is {flags.iterations}; expected 1 or more.")


def allow_python(flags):
    """Let the Python layers run that `-allow_python` names."""
    allow_python_modules(*words(flags.allow_python))


def gpu_numbers(text):
    """The numbers of the GPUs that `-gpu` names; none where it names none."""
    if text == "all":
        numbers = list(range(device.gpu_count()))
        if not numbers:
            raise InputError("-gpu all was given, but PyTorch finds no CUDA device here.")
        return numbers
    try:
        numbers = [int(part) for part in words(text)]
    except ValueError:
        raise InputError(f'-gpu is "{text}"; expected numbers, or all.') from None
    if len(set(numbers)) < len(numbers):
        raise InputError(f"-gpu {text} names a GPU twice.")
    for number in numbers:
        device.require_gpu(number)
    return numbers


def choose_device(gpu, place):
    """Set CPU or GPU mode by the text of `-gpu`, and log it as Caffe does at `place`.

    Of several GPUs the first is taken, as by Caffe's commands other than `train`.
    """
    numbers = gpu_numbers(gpu)
    if not numbers:
        log.info(place, "Use CPU.")
        device.set_mode_cpu()
        return
    log.info(place, f"Use GPU with device ID {numbers[0]}")
    log.info(place, f"GPU device name: {device.gpus().get_device_name(numbers[0])}")
    device.set_device(numbers[0])
    device.set_mode_gpu()


def phase_named(name):
    """The phase that `-phase` names."""
    phases = {"TRAIN": pb.TRAIN, "TEST": pb.TEST}
    if name not in phases:
        raise InputError(f'-phase is "{name}"; expected TRAIN or TEST.')
    return phases[name]
