"""Solvers: the training loop under pycaffe's names, snapshots, signals and several devices."""

from __future__ import annotations

from .parallel import NCCL, has_nccl
from .ranks import run_ranks
from .signals import SNAPSHOT, STOP, SignalActions
from .solver import (
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    RMSPropSolver,
    SGDSolver,
    Solver,
    get_solver,
)

__all__ = [
    "NCCL",
    "SNAPSHOT",
    "STOP",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "NesterovSolver",
    "RMSPropSolver",
    "SGDSolver",
    "SignalActions",
    "Solver",
    "get_solver",
    "has_nccl",
    "run_ranks",
]
