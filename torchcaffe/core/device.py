"""Where the numbers live: Caffe's modes, the chosen device, and the random seed.

Everything else asks `current_device()` and never names a device itself. A net stays on the device
it was built on.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import torch

from caffeformat import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

# PyTorch reads this at its first allocation: large tensors then lie in huge pages. Nets allocate
# and free hundreds of megabytes per pass, and touching them 4 KiB at a time takes longer than the
# arithmetic of many layers.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

# The kind of device that GPU mode means, as PyTorch calls it (AMD's are "cuda" to it as well). The
# tests put another one here, so that GPU mode can be tested without a GPU.
GPU = "cuda"

_mode_gpu = False
_device_id = 0


def gpus() -> ModuleType:
    """PyTorch's module for GPUs: `is_available()`, `device_count()`, `synchronize(device)`, ..."""
    module: ModuleType = torch.get_device_module(GPU)
    return module


def gpu_count() -> int:
    """The number of GPUs that PyTorch finds here."""
    return int(gpus().device_count()) if gpus().is_available() else 0


def require_gpu(number: int) -> None:
    """Raise `InputError` unless there is a GPU of that number."""
    count = gpu_count()
    if not count:
        raise InputError(
            "GPU mode was requested, but PyTorch finds no CUDA device here; use CPU mode "
            "(solver_mode: CPU, set_mode_cpu()) or install PyTorch with CUDA."
        )
    if not 0 <= number < count:
        raise InputError(
            f"GPU {number} was requested, but there are {count}, numbered from 0; choose one of "
            "those."
        )


def set_mode_cpu() -> None:
    """Build and run the nets made from now on on the CPU (the initial mode)."""
    global _mode_gpu
    _mode_gpu = False


def set_mode_gpu() -> None:
    """Build and run the nets made from now on on the GPU chosen with `set_device`.

    Raises `InputError` if PyTorch finds no such GPU.
    """
    global _mode_gpu
    require_gpu(_device_id)
    _compute_as_caffe()
    _mode_gpu = True


def _compute_as_caffe() -> None:
    """Choose how cuDNN and cuBLAS compute, for the whole process."""
    # BVLC Caffe computes in float32. TensorFloat-32, PyTorch's choice for convolutions, keeps 10 of
    # the 23 fraction bits: scores would differ in the third digit.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    # Trying all of cuDNN's algorithms pays off if shapes never change. Segmentation nets get
    # images of every size, and each new size would be tried anew, with the memory that takes.
    torch.backends.cudnn.benchmark = False


def set_device(device_id: int) -> None:
    """Choose the GPU that GPU mode uses, by its number from 0."""
    global _device_id
    if _mode_gpu or gpu_count():
        require_gpu(device_id)
    _device_id = int(device_id)


def current_device() -> torch.device:
    """The torch.device of nets that are built now."""
    return torch.device(GPU, _device_id) if _mode_gpu else torch.device("cpu")


def synchronize(device: torch.device) -> None:
    """Wait until everything that was started on `device` has finished."""
    if device.type == GPU:
        gpus().synchronize(device)


def random_state(device: torch.device) -> torch.Tensor:
    """Return the state of the generator from which layers on `device` draw."""
    state: torch.Tensor = (
        torch.get_rng_state() if device.type == "cpu" else gpus().get_rng_state(device)
    )
    return state


@contextlib.contextmanager
def with_random_state(state: torch.Tensor | None, device: torch.device) -> Iterator[None]:
    """Draw from `state` meanwhile (None: go on as before), and then go on as before."""
    if state is None:
        yield
        return
    before = random_state(device)
    _set_random_state(state, device)
    try:
        yield
    finally:
        _set_random_state(before, device)


def _set_random_state(state: torch.Tensor, device: torch.device) -> None:
    if device.type == "cpu":
        torch.set_rng_state(state)
    else:
        gpus().set_rng_state(state, device)


def set_random_seed(seed: int) -> None:
    """Seed everything random in this engine: fillers, Dropout, crops and mirrors."""
    # Not torch.manual_seed: for each kind of device that is not there it keeps a call for later,
    # with the stack of its caller.
    torch.default_generator.manual_seed(seed)
    if gpus().is_available():
        gpus().manual_seed_all(seed)
