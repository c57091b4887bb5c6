"""Training runs: a solver, its networks and data, logs, curves and snapshots."""

from typing import TYPE_CHECKING

from .recipe import Observer, Outcome, train
from .run_folder import Run, read_run
from .settings import Recipe, Start
from .stages.report import declines, format_stages
from .stages.run import Stage, StageResult, train_stages

if TYPE_CHECKING:
    from .log import Outputs

__all__ = [
    "Observer",
    "Outcome",
    "Outputs",
    "Recipe",
    "Run",
    "Stage",
    "StageResult",
    "Start",
    "declines",
    "format_stages",
    "read_run",
    "train",
    "train_stages",
]
