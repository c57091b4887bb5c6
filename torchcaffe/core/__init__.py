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
    random_state,
    require_gpu,
    set_device,
    set_mode_cpu,
    set_mode_gpu,
    set_random_seed,
    synchronize,
    with_random_state,
)
from .exchange import LostSolversError, add_up, gather, is_joined, noticing_losses
from .fillers import fill
from .heap import trim_heap
from .mapped import move_out
from .precision import PRECISIONS, is_native, lower_precision, precision, set_precision
from .process import (
    Timer,
    data_turn,
    set_multiprocess,
    set_share_tests,
    set_solver_count,
    set_solver_rank,
    set_sync_batch_norm,
    share_tests,
    solver_count,
    solver_rank,
    sync_batch_norm,
)
from .vectors import BlobVec, BoolVec, DtypeVec, IntVec, LayerVec, NetVec, RawBlobVec, StringVec

__all__ = [
    "PRECISIONS",
    "Blob",
    "BlobVec",
    "BoolVec",
    "DtypeVec",
    "IntVec",
    "LayerVec",
    "LostSolversError",
    "MemoryBudget",
    "NetVec",
    "RawBlobVec",
    "StringVec",
    "Timer",
    "add_up",
    "current_device",
    "data_turn",
    "fill",
    "gather",
    "gpu_count",
    "gpus",
    "is_joined",
    "is_native",
    "lower_precision",
    "move_out",
    "noticing_losses",
    "precision",
    "random_state",
    "require_gpu",
    "set_device",
    "set_mode_cpu",
    "set_mode_gpu",
    "set_multiprocess",
    "set_precision",
    "set_random_seed",
    "set_share_tests",
    "set_solver_count",
    "set_solver_rank",
    "set_sync_batch_norm",
    "share_tests",
    "solver_count",
    "solver_rank",
    "sync_batch_norm",
    "synchronize",
    "trim_heap",
    "with_random_state",
]
