"""Solvers: the training loop under pycaffe's names, snapshots, signals and several devices."""

from __future__ import annotations

from .joining import Joined, end_with_parent, has_launched, join, local_rank
from .parallel import NCCL, has_nccl
from .ranks import Line, run_ranks
from .signals import NONE, SNAPSHOT, STOP, SignalActions
from .solver import Solver
from .types import (
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    RMSPropSolver,
    SGDSolver,
    get_solver,
)

__all__ = [
    "NCCL",
    "NONE",
    "SNAPSHOT",
    "STOP",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "Joined",
    "Line",
    "NesterovSolver",
    "RMSPropSolver",
    "SGDSolver",
    "SignalActions",
    "Solver",
    "end_with_parent",
    "get_solver",
    "has_launched",
    "has_nccl",
    "join",
    "local_rank",
    "run_ranks",
]
