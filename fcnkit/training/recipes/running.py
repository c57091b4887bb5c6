"""Carries out a recipe: all its stages, from wherever an earlier process left them."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from caffeformat import InputError
from caffeformat.files import claimed_folder, refuse_overlap
from fcnkit import engine
from fcnkit.downloads import known_downloads

from ..settings import Start
from ..stages import train_stages
from .planning import NETWORKS, plan_stages, stages_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..recipe import Observer
    from ..stages import StageResult
    from .planning import Folders
    from .reading import RecipeFile


def train_recipe(
    recipe: RecipeFile,
    output: str | os.PathLike[str],
    data: Folders,
    weights: str | os.PathLike[str] | None = None,
    *,
    gpu: int | Sequence[int] | str | engine.Devices | None = None,
    allow_python: Sequence[str] = (),
    force: bool = False,
    observer: Observer | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[StageResult]:
    """Train the stages of `recipe` in `output`; yields a `StageResult` after each.

    data        role -> dataset folder
    weights     caffemodel that the first stage starts from, for instance a classifier's
    force       start over; otherwise stages that are done are skipped, and the first that is not
                continues from its newest snapshot

    The rest is as for `train_stages`. Raises `InputError` as `plan_stages` and `train_stages` do,
    where the recipe starts from weights and none are given, and where `output` holds stages that
    were begun with other settings.
    """
    output = os.path.abspath(output)
    check_weights(recipe, weights)
    count = engine.devices_of(gpu).count
    refuse_overlap(output, list(data.values()))
    with tempfile.TemporaryDirectory() as folder:  # nothing is written where something is wrong
        plan_stages(recipe, data, folder, devices=count)
    with claimed_folder(output):
        networks = os.path.join(output, NETWORKS)
        planned = plan_stages(recipe, data, networks, devices=count)
    yield from train_stages(
        stages_of(planned),
        output,
        None,
        Start(weights=weights, resume=not force),
        gpu=gpu,
        allow_python=allow_python,
        force=force,
        observer=observer,
        stop=stop,
    )


def check_weights(recipe: RecipeFile, weights: str | os.PathLike[str] | None) -> None:
    """Raise `InputError` where `recipe` starts from weights and none are given."""
    if recipe.weights is not None and weights is None:
        raise InputError(
            f"recipe {recipe.name} starts from {weights_text(recipe.weights)}: pass {{option}}",
            option="weights",
        )


def weights_text(name: str) -> str:
    """What the weights called `name` are, and where they are to be had."""
    for download in known_downloads():
        if download.name == name:
            return f"{download.file} (`fcnkit download {name!r}`)"
    return name
