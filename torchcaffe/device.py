"""Where the numbers live: Caffe's modes, the chosen device, and the random seed.

Everything else asks `current()` and never names a device itself.
"""

import os

import torch

from caffeformat import InputError

# PyTorch reads this at its first allocation: large tensors then lie in huge pages. Nets allocate
# and free hundreds of megabytes a pass, and touching them 4 KiB at a time takes longer than many a
# layer's arithmetic.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

_mode_gpu = False
_device_id = 0


def set_mode_cpu():
    """Build and run the nets made from now on on the CPU (the state at the start)."""
    global _mode_gpu
    _mode_gpu = False


def set_mode_gpu():
    """Build and run the nets made from now on on the GPU chosen with `set_device`.

    Raises `InputError` where PyTorch finds no GPU.
    """
    global _mode_gpu
    if not torch.cuda.is_available():
        raise InputError(
            "GPU mode was asked for, but PyTorch finds no CUDA device here; use CPU mode "
            "(solver_mode: CPU, set_mode_cpu()) or install PyTorch with CUDA."
        )
    _mode_gpu = True


def set_device(device_id):
    """Choose the GPU that GPU mode uses, by its number from 0."""
    global _device_id
    if torch.cuda.is_available() and not 0 <= device_id < torch.cuda.device_count():
        raise InputError(
            f"GPU {device_id} was asked for, but there are {torch.cuda.device_count()}, from 0."
        )
    _device_id = int(device_id)


def current():
    """The torch.device on which a net that is built now will live."""
    return torch.device("cuda", _device_id) if _mode_gpu else torch.device("cpu")


def set_random_seed(seed):
    """Seed everything random in this engine: fillers, Dropout, crops and mirrors."""
    torch.manual_seed(seed)
