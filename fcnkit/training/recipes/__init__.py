"""Recipes: text files that say how a network is trained, stage by stage.

The tutorials' recipes lie here as INI files; one's own are read from any path.
"""

from __future__ import annotations

from .describing import describe_recipe
from .planning import PlannedStage, plan_stages
from .reading import RecipeFile, RecipeStage, read_recipe, recipe_names
from .running import check_weights, train_recipe

__all__ = [
    "PlannedStage",
    "RecipeFile",
    "RecipeStage",
    "check_weights",
    "describe_recipe",
    "plan_stages",
    "read_recipe",
    "recipe_names",
    "train_recipe",
]
