"""The foundation of the engine: blobs, devices, fillers, memory and the state of the process.

Importing it sets how PyTorch's threads wait, so it comes before anything that imports PyTorch.
"""

from __future__ import annotations

from . import threads  # noqa: F401  isort: skip - before anything that imports PyTorch

from .blob import Blob
from .budget import MemoryBudget
from .device import (
    current_device,
    gpu_count,
    gpus,
    require_gpu,
    set_device,
    set_mode_cpu,
    set_mode_gpu,
    set_random_seed,
    synchronize,
)
from .fillers import fill
from .mapped import move_out
from .process import (
    Timer,
    set_multiprocess,
    set_solver_count,
    set_solver_rank,
    solver_count,
    solver_rank,
)
from .vectors import BlobVec, BoolVec, DtypeVec, IntVec, LayerVec, NetVec, RawBlobVec, StringVec

__all__ = [
    "Blob",
    "BlobVec",
    "BoolVec",
    "DtypeVec",
    "IntVec",
    "LayerVec",
    "MemoryBudget",
    "NetVec",
    "RawBlobVec",
    "StringVec",
    "Timer",
    "current_device",
    "fill",
    "gpu_count",
    "gpus",
    "move_out",
    "require_gpu",
    "set_device",
    "set_mode_cpu",
    "set_mode_gpu",
    "set_multiprocess",
    "set_random_seed",
    "set_solver_count",
    "set_solver_rank",
    "solver_count",
    "solver_rank",
    "synchronize",
]
