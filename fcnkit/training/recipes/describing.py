"""Says in words what a recipe will do, before anything is trained."""

from __future__ import annotations

import math
import os
import tempfile
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import InputError, geometry
from fcnkit import nets
from fcnkit.datasets import augmentation_from

from ..run_files import RunFiles
from .planning import deploy_size, plan_stages, roles_text
from .running import weights_text

if TYPE_CHECKING:
    from .planning import Folders, PlannedStage
    from .reading import RecipeFile

_FLOAT = 4  # bytes
# Arrays of a weight's size that training holds: weights, gradients, and the solver's history.
_PER_WEIGHT = 3
_PER_WEIGHT_OF_ADAM = 4
_WHOLE = (500, 500)  # no image of PASCAL VOC is larger


def describe_recipe(
    recipe: RecipeFile, data: Folders, weights: str | os.PathLike[str] | None = None
) -> str:
    """Return what `train_recipe` will do with `data` (role -> dataset folder), as text.

    Datasets and weights may still be missing: what depends on them is left open. Raises
    `InputError` for what `train_recipe` would refuse otherwise.
    """
    lines = [f"{recipe.name}: {recipe.title}"]
    if "source" in recipe.common:
        lines.append(recipe.common["source"])
    lines.append(f"datasets: {roles_text(recipe.roles)}")
    if recipe.weights is None:
        lines.append("starts from nothing")
    else:
        given = f": {os.fspath(weights)}" if weights else ", which is not given yet"
        lines.append(f"starts from {weights_text(recipe.weights)}{given}")
    with tempfile.TemporaryDirectory() as folder:
        planned = plan_stages(recipe, data, folder, must_have=False)
        for number, one in enumerate(planned, 1):
            lines += ["", f"stage {number} of {len(planned)}: {one.given.name}"]
            lines += [f"  {name:10}{text}" for name, text in _rows(one, data)]
    return "\n".join(lines)


def _rows(one: PlannedStage, data: Folders) -> list[tuple[str, str]]:
    """(what, in words) of a stage."""
    values = one.given.values
    role = values["data"]
    files = RunFiles(one.stage.recipe.solver)
    files.override(one.stage.recipe.overrides)
    classes = nets.count_classes(files.train)
    form = f", {one.given.texts['form']}" if "form" in values else ""
    scored = "" if classes is None else f", {classes} classes"
    rows = [("network", f"{values['network']}{form}{scored}")]
    place = f"{role}: {os.fspath(data[role])}" if role in data else f"{role}, not given"
    if one.images is not None:
        place += f", {one.images['train']:,} training images, {one.images['val']:,} for validation"
    elif values.get("optional", False):
        place += "; without it this stage is left out"
    rows.append(("data", place))
    rows.append(("augment", one.given.texts.get("augment") or "none"))
    rows.append(("steps", _steps(one)))
    solver = files.solver
    rate = f"{solver.base_lr:g}, {solver.lr_policy or 'fixed'}"
    rows.append(("rate", f"{rate}, momentum {solver.momentum:g}, decay {solver.weight_decay:g}"))
    more = [key for key in ("precision", "loss", "class_weights") if key in values]
    more += [key for key in ("sync_batch_norm", "recompute") if values.get(key)]
    if more:
        rows.append(("also", ", ".join(f"{key} {one.given.texts[key]}" for key in more)))
    rows.append(("memory", _memory(one, files)))
    rows.append(("snapshots", _snapshots(one)))
    if "published" in values:
        rows.append(("expect", values["published"]))
    return rows


def _steps(one: PlannedStage) -> str:
    passes = f"{one.passes} passes of {one.per_pass} image{'s' * (one.per_pass > 1)}"
    images = one.per_pass * one.passes
    update = f"{images} image{'s' * (images > 1)} per step" + (
        f" ({passes})" if one.passes > 1 else ""
    )
    epochs = one.given.values.get("epochs")
    if epochs is None:
        return f"{one.steps:,}, {update}"
    if one.steps is None:
        return f"{_epochs(epochs)}, {update}"
    return f"{one.steps:,}, which make {_epochs(epochs)}, {update}"


def _every(epochs: float) -> str:
    return "every epoch" if epochs == 1 else f"every {_epochs(epochs)}"


def _epochs(count: float) -> str:
    return f"{count:g} epoch{'' if count == 1 else 's'}"


def _snapshots(one: PlannedStage) -> str:
    plan = one.stage.recipe.snapshots
    every = f"every {plan.every:,} steps" if plan.every else _every(plan.epochs or 1)
    kept = "all stay" if plan.keep is None else f"the newest {plan.keep} stay"
    ends = "" if plan.patience is None else f"; ends after {plan.patience} tests that are no better"
    return f"{every}, {kept}, and the best{ends}"


def _memory(one: PlannedStage, files: RunFiles) -> str:
    """An upper estimate of what a training step takes, and of what it is made."""
    augment = one.stage.recipe.augment or {}
    drawn = augmentation_from(augment)
    size = drawn.crop if drawn is not None and drawn.crop is not None else None
    is_whole = size is None
    height, width = size or deploy_size(os.fspath(one.stage.recipe.solver)) or _WHOLE
    form = {"width": width, "height": height}
    shapes = {}
    for layer in nets.data_layers(files.train):
        for top in layer.top:
            channels = 1 if nets.is_label(top) else nets.declared_channels(files.deploy, top) or 3
            shapes[top] = (one.per_pass, channels, height, width)
    try:
        blobs = geometry.infer_shapes(files.train, shapes)
    except InputError as error:
        return f"cannot be reckoned: {error}"
    values = sum(math.prod(shape) for name, shape in blobs.items() if name not in shapes)
    parameters = sum(
        int(np.prod(blob.shape))
        for _, parts in nets.net_parameters(nets.deploy_net(files.deploy, (height, width), 3)[0])
        for blob in parts
    )
    per_weight = _PER_WEIGHT_OF_ADAM if files.solver.type in ("Adam", "AdaDelta") else _PER_WEIGHT
    total = _FLOAT * (2 * values + per_weight * parameters)
    images = f"{form['width']}x{form['height']}{', whole images vary' if is_whole else ''}"
    return (
        f"up to {total / 2**30:.1f} GiB in float32 for passes of {one.per_pass} at {images}; "
        f"{parameters / 1e6:.1f} million parameters"
    )
