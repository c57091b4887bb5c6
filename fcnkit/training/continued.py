"""A model whose training a run continues: it stays in the run's folder, with a solver for it."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

from caffeformat import InputError
from caffeformat.files import entries_of, is_within

from .run_folder import MODEL, MODEL_FILES, MODEL_TRAINING, needed_files

if TYPE_CHECKING:
    from .setting_aside import Aside
    from .settings import Recipe, Start


def open_model(
    recipe: Recipe, start: Start, output: str, force: bool, aside: Aside
) -> tuple[Recipe, Start]:
    """Open the model that `start` names; returns both with its solver and weights where none are.

    It is kept in the folder `output`, and what an earlier run kept there is used again if `start`
    resumes that run; with `force` it is moved to `aside`. Raises `InputError` otherwise, and where
    that holds more than a run leaves, or something that the new run starts from.
    """
    if start.model is None:
        return recipe, start
    folder = os.path.join(output, MODEL)
    if os.path.isdir(folder) and not start.resume:
        if not force:
            raise InputError(
                f"{folder} is from an earlier run: pass {{resume}} to continue it or {{force}} to "
                "replace it, or choose another output folder",
                options={"resume": True, "force": True},
            )
        others = sorted(set(entries_of(folder)) - {MODEL_FILES, MODEL_TRAINING})
        if others:
            raise InputError(f"{folder}: holds more than a run leaves ({', '.join(others[:3])})")
        for needed in [recipe.solver, *needed_files(start)]:
            if os.path.exists(needed) and is_within(needed, folder):
                raise InputError(
                    f"{needed} is part of the earlier run, which {{force}} would remove: choose "
                    "another output folder",
                    option="force",
                    value=True,
                )
        aside.move([folder])
    os.makedirs(folder, exist_ok=True)
    places = (os.path.join(folder, name) for name in (MODEL_FILES, MODEL_TRAINING))
    solver, weights = start.model.open(*places)
    if start.weights is None and start.snapshot is None:
        start = dataclasses.replace(start, weights=weights)
    return dataclasses.replace(recipe, solver=recipe.solver or solver), start
