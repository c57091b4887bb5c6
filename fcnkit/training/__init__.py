"""Training runs: a solver, its networks and data, logs, curves and snapshots.

`train` carries out a `Recipe`, `train_stages` several that build on each other, `train_recipe`
those of a text file; `read_run` reads what they leave, for inference. Importing this room loads no
engine; training does.
"""

from __future__ import annotations

from .curves import columns, parse_log
from .facts import RunFacts, run_facts
from .keeping import Best, read_best, steps_of
from .log import Outputs
from .log_reader import LogReader
from .recipe import Observer, Outcome, train
from .recipes import RecipeFile, describe_recipe, read_recipe, recipe_names, train_recipe
from .run_folder import read_run
from .settings import Model, Recipe, Snapshots, Start
from .several import plot_runs, read_runs
from .stages import Stage, StageResult, declines, format_stages, train_stages

__all__ = [
    "Best",
    "LogReader",
    "Model",
    "Observer",
    "Outcome",
    "Outputs",
    "Recipe",
    "RecipeFile",
    "RunFacts",
    "Snapshots",
    "Stage",
    "StageResult",
    "Start",
    "columns",
    "declines",
    "describe_recipe",
    "format_stages",
    "parse_log",
    "plot_runs",
    "read_best",
    "read_recipe",
    "read_run",
    "read_runs",
    "recipe_names",
    "run_facts",
    "steps_of",
    "train",
    "train_recipe",
    "train_stages",
]
