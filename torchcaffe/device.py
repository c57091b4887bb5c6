"""Where the numbers live: Caffe's modes, the chosen device, and the random seed.

Everything else asks `current()` and never names a device itself. A net lives where it was built.
"""

import os

import torch

from caffeformat import InputError

# PyTorch reads this at its first allocation: large tensors then lie in huge pages. Nets allocate
# and free hundreds of megabytes a pass, and touching them 4 KiB at a time takes longer than many a
# layer's arithmetic.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

# The kind of device that GPU mode means, as PyTorch calls it (AMD's are "cuda" to it as well). The
# tests put another one here, so that what GPU mode does can be tested where no GPU is.
GPU = "cuda"

_mode_gpu = False
_device_id = 0


def gpus():
    """PyTorch's module for GPUs: `is_available()`, `device_count()`, `synchronize(device)`, ..."""
    return torch.get_device_module(GPU)


def gpu_count():
    """How many GPUs PyTorch finds here."""
    return gpus().device_count() if gpus().is_available() else 0


def require_gpu(number):
    """Raise `InputError` unless there is a GPU of that number."""
    count = gpu_count()
    if not count:
        raise InputError(
            "GPU mode was asked for, but PyTorch finds no CUDA device here; use CPU mode "
            "(solver_mode: CPU, set_mode_cpu()) or install PyTorch with CUDA."
        )
    if not 0 <= number < count:
        raise InputError(f"GPU {number} was asked for, but there are {count}, from 0.")


def set_mode_cpu():
    """Build and run the nets made from now on on the CPU (the state at the start)."""
    global _mode_gpu
    _mode_gpu = False


def set_mode_gpu():
    """Build and run the nets made from now on on the GPU chosen with `set_device`.

    Raises `InputError` where PyTorch finds no such GPU.
    """
    global _mode_gpu
    require_gpu(_device_id)
    _compute_as_caffe()
    _mode_gpu = True


def _compute_as_caffe():
    """Choose how cuDNN and cuBLAS compute, for the whole process."""
    # BVLC Caffe computes in float32. TensorFloat-32, PyTorch's choice for convolutions, keeps 10 of
    # the 23 bits behind the point: scores would differ in the third digit.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    # Trying all of cuDNN's algorithms pays where shapes stay as they are. Segmentation nets get
    # images of every size, and each new size would be tried anew, with the memory that it takes.
    torch.backends.cudnn.benchmark = False


def set_device(device_id):
    """Choose the GPU that GPU mode uses, by its number from 0."""
    global _device_id
    if _mode_gpu or gpu_count():
        require_gpu(device_id)
    _device_id = int(device_id)


def current():
    """The torch.device on which a net that is built now will live."""
    return torch.device(GPU, _device_id) if _mode_gpu else torch.device("cpu")


def synchronize(device):
    """Wait until everything that was begun on `device` has ended."""
    if device.type == GPU:
        gpus().synchronize(device)


def set_random_seed(seed):
    """Seed everything random in this engine: fillers, Dropout, crops and mirrors."""
    torch.manual_seed(seed)
