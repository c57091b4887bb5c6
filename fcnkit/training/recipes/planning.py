"""Turns a recipe and the folders of its datasets into stages to train."""

from __future__ import annotations

import dataclasses
import math
import os
from typing import TYPE_CHECKING, Any

from caffeformat import InputError, read_net, write_text
from fcnkit import zoo
from fcnkit.datasets import DatasetFolder

from ..augmented import batch_size
from ..run_files import RunFiles
from ..settings import Recipe, Snapshots
from ..stages import Stage
from .keys import KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Union

    from .reading import RecipeFile, RecipeStage

    Folders = Mapping[str, Union[str, os.PathLike[str]]]

# Folder, beside those of the stages, for the networks' prototxts.
NETWORKS = "networks"


@dataclasses.dataclass(frozen=True)
class PlannedStage:
    """A stage of a recipe with all that is known before it trains.

    `images` counts the images of "train" and "val", `steps` the iterations; both are None where
    the dataset is not given. `per_pass` images make one pass, `passes` passes one iteration.
    """

    given: RecipeStage
    stage: Stage
    images: Mapping[str, int] | None
    per_pass: int
    passes: int
    steps: int | None


def plan_stages(
    recipe: RecipeFile, data: Folders, folder: str, must_have: bool = True, devices: int = 1
) -> list[PlannedStage]:
    """Plan the stages of `recipe`, whose networks are written below `folder`.

    `data` has a dataset folder for each role. Optional stages without one are left out; without
    `must_have`, any dataset may be missing. `devices` share the images of an update. Raises
    `InputError` for a recipe that cannot be carried out, and for roles that it does not have.
    """
    roles = recipe.roles
    unknown = [role for role in data if role not in roles]
    missing = [role for role, is_needed in roles.items() if is_needed and role not in data]
    if unknown or (must_have and missing):
        wanted = ", ".join(
            role if needed else f"{role} (may be left out)" for role, needed in roles.items()
        )
        raise InputError(
            f"recipe {recipe.name} needs datasets as {wanted}; found "
            f"{', '.join(data) or 'none'}: pass {{option}} with {roles_text(roles)}",
            option="data",
        )
    stages: list[PlannedStage] = []
    for given in recipe.stages:
        place = data.get(given.values["data"])
        if place is None and must_have:
            continue
        counts = None if place is None else _count(place)
        stages.append(_plan(recipe, given, place, counts, folder, not stages, devices))
    return stages


def roles_text(roles: Mapping[str, bool]) -> str:
    """How the datasets of `roles` (role -> whether it is needed) are named on a command line."""
    return " ".join(f"{role}=FOLDER" if needed else f"[{role}=FOLDER]" for role, needed in
                    roles.items())  # fmt: skip


def _count(place: str | os.PathLike[str]) -> dict[str, int]:
    if not os.path.isdir(place):
        raise InputError(f"{os.fspath(place)}: expected a dataset folder, there is none")
    with DatasetFolder(place) as dataset:
        return {split: dataset.count(split) for split in ("train", "val")}


def _plan(
    recipe: RecipeFile,
    given: RecipeStage,
    place: str | os.PathLike[str] | None,
    images: Mapping[str, int] | None,
    folder: str,
    is_first: bool,
    devices: int,
) -> PlannedStage:
    values = given.values
    name = f"{recipe.path}: [stage {given.name}]"
    solver = _solver(recipe, given, os.path.join(folder, given.name), name)
    fields = dict(given.solver_fields())
    files = RunFiles(solver)
    files.override(fields.items())
    per_pass = values.get("batch_size") or batch_size(files.train) or 1
    passes = files.solver.iter_size
    if passes < 1:
        raise InputError(f"{name} iter_size: found {passes}, expected a whole number above 0")
    update = values.get("images_per_update")
    if update is not None:
        if update % (per_pass * devices):
            several = f" on each of {devices} devices" if devices > 1 else ""
            raise InputError(
                f"{name} images_per_update: {update} images cannot be made of passes of {per_pass} "
                f"(batch_size){several}: expected a multiple"
            )
        passes = update // (per_pass * devices)
    fields["iter_size"] = str(passes)
    steps = values.get("iterations")
    if images is not None and "epochs" in values:
        steps = math.ceil(
            values["epochs"] * math.ceil(images["train"] / (per_pass * passes * devices))
        )
    if steps is None and "epochs" not in values:
        raise InputError(f"{name} says nothing of how long it takes: expected epochs or iterations")
    if steps is not None and "step_share" in values:
        fields["stepsize"] = str(math.ceil(steps * values["step_share"]))
    if steps is not None:
        fields["max_iter"] = str(steps)
    # Unless the recipe says otherwise, a test after each pass over the data, and entries in the
    # log as often as a run of that length needs them.
    fields = {"test_interval": "0", "display": "0", **fields}
    wanted: dict[str, Any] = {
        key: values[key]
        for key in ("precision", "recompute", "sync_batch_norm")
        if key in values and key in {field.name for field in dataclasses.fields(Recipe)}
    }
    interval = values.get("snapshot_interval")
    stage = Stage(
        given.name,
        Recipe(
            solver,
            data=place,
            augment=values.get("augment", {}),
            fill=values.get("fill") if is_first else None,
            class_weights=values.get("class_weights"),
            loss=values.get("loss"),
            overrides=tuple(fields.items()),
            batch_size=values.get("batch_size"),
            validate=values.get("validate", True),
            snapshots=Snapshots(
                every=interval,
                epochs=None if interval else values.get("snapshot_epochs", 1.0),
                keep=values.get("keep"),
                patience=values.get("patience"),
            ),
            tensorboard=values.get("tensorboard", False),
            **wanted,
        ),
        after=values.get("after", "newest"),
        settings=_settings(given, images),
    )
    return PlannedStage(given, stage, images, per_pass, passes, steps)


def _settings(given: RecipeStage, images: Mapping[str, int] | None) -> dict[str, str]:
    """What decides the weights of a stage, in words."""
    texts = {
        key: text for key, text in given.texts.items() if key not in KEYS or not KEYS[key].is_free
    }
    if images is not None:
        texts["images"] = f"{images['train']} and {images['val']}"
    return texts


def _solver(recipe: RecipeFile, given: RecipeStage, folder: str, name: str) -> str:
    """The path of a stage's solver: the user's own, or that of a network written into `folder`."""
    values = given.values
    network: str = values["network"]
    if network not in zoo.networks():
        own = os.path.join(os.path.dirname(os.path.abspath(recipe.path)), network)
        if not os.path.exists(own):
            raise InputError(
                f"{name} network: found {network!r}, expected a solver, a folder with one, or one "
                f"of {', '.join(zoo.networks())}"
            )
        for key in ("form", "classes"):
            if key in values:
                raise InputError(f"{name} {key}: is for networks of the zoo, not for {network}")
        return zoo.network_file(own, "solver.prototxt")[0]
    form = dict(values.get("form", {}))
    if "classes" in values:
        form["classes"] = values["classes"]
    try:
        files = zoo.spec(network).files(**form)
    except TypeError as error:
        raise InputError(
            f"{name} form: network {network} does not have this form: {error}"
        ) from None
    os.makedirs(folder, exist_ok=True)
    for file, message in files.items():
        write_text(os.path.join(folder, file), message)
    return os.path.join(folder, "solver.prototxt")


def stages_of(planned: Sequence[PlannedStage]) -> list[Stage]:
    """Return what `train_stages` takes."""
    return [one.stage for one in planned]


def deploy_size(solver: str) -> tuple[int, int] | None:
    """Height and width that the deploy net beside a stage's solver declares, None if it has none.

    What whole images are reckoned with.
    """
    path = os.path.join(os.path.dirname(solver), "deploy.prototxt")
    if not os.path.isfile(path):
        return None
    for layer in read_net(path).layer:
        if layer.type == "Input":
            height, width = layer.input_param.shape[0].dim[2:]
            return int(height), int(width)
    return None
