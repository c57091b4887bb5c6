"""Training runs: a solver, its networks and data, logs, curves and snapshots.

`train` carries out a `Recipe`, `train_stages` several that build on each other; `read_run` reads
what they leave, for inference. Importing this room loads no engine; training does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .curves import columns, parse_log
from .facts import RunFacts, run_facts
from .keeping import Best
from .log_reader import LogReader
from .recipe import Observer, Outcome, train
from .run_folder import read_run
from .settings import Recipe, Snapshots, Start
from .stages import Stage, StageResult, declines, format_stages, train_stages

if TYPE_CHECKING:
    from .log import Outputs

__all__ = [
    "Best",
    "LogReader",
    "Observer",
    "Outcome",
    "Outputs",
    "Recipe",
    "RunFacts",
    "Snapshots",
    "Stage",
    "StageResult",
    "Start",
    "columns",
    "declines",
    "format_stages",
    "parse_log",
    "read_run",
    "run_facts",
    "train",
    "train_stages",
]
