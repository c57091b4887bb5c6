"""Checks, before the first stage starts, that stages can be trained one after another."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import InputError, Weights, pb, read_caffemodel
from caffeformat.messages import distinct_layers, layer_keys
from fcnkit.datasets import common_channels
from fcnkit.images import IGNORE_LABEL
from fcnkit.nets import count_classes, head, net_parameters
from fcnkit.surgery import transplant

from ..run_files import RunFiles, fitted_deploy_net
from .folders import read_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fcnkit.datasets import DatasetFolder

    from ..settings import Start
    from .run import Stage

# The input size that the start net declares; inference reshapes it to each image.
_IMAGE_SHAPE = (500, 500)


def start_net(files: RunFiles, dataset: DatasetFolder) -> pb.NetParameter:
    """Return the net that a stage's first weights are for: its net for inference.

    Where it says nothing about channels, it has those of the dataset's images.
    """
    is_declared = any(layer.type == "Input" for layer in files.deploy.layer)
    channels = None if is_declared else dataset.form.channels
    if channels is None and not is_declared:
        images = dataset.split("train")
        channels = common_channels(images.form(i) for i in range(len(images)))
    return fitted_deploy_net(files.deploy, _IMAGE_SHAPE, channels)


def check_stages(
    stages: Sequence[Stage],
    datasets: Sequence[DatasetFolder],
    weights: str | os.PathLike[str] | None = None,
) -> None:
    """Raise `InputError` where `train_stages` could not get through `stages` to the end.

    `datasets` has each stage's. Refused are two stages of one name, a dataset without validation
    images, `weights` (a caffemodel for the first stage) that do not fit, and stages that score
    different numbers of classes or whose common layers differ in size (fixed upsampling may differ:
    each stage makes its own).
    """
    names = [stage.name for stage in stages]
    if len(set(names)) < len(names):
        raise InputError(f"each stage needs a name of its own for its folder; found {names}")
    runs = [RunFiles(stage.recipe.solver) for stage in stages]
    nets = []
    for files, dataset in zip(runs, datasets):
        with dataset:
            if not dataset.count("val"):
                raise InputError(f"{dataset.path}: has no validation images to score the stages on")
            nets.append(start_net(files, dataset))
    if weights is not None:
        if not os.path.isfile(weights):
            raise InputError(f"{weights}: there is no such file")
        _check_fit(read_caffemodel(weights), nets[0], f"{stages[0].name} from {weights}")
    _check_classes(names, [count_classes(files.train) for files in runs])
    for i in range(1, len(stages)):
        _check_fit(_shapes(nets[i - 1]), nets[i], f"{names[i]} from the weights of {names[i - 1]}")


def only_weights(start: Start) -> str | None:
    """The file of weights that the first stage starts from; `InputError` for several."""
    if len(start.weights_files) > 1:
        raise InputError(
            f"{' and '.join(start.weights_files)}: the first stage starts from one file of weights",
            option="weights",
        )
    return next(iter(start.weights_files), None)


def ignored_label(solver: str | os.PathLike[str]) -> int:
    """The label that the loss of the solver's training net ignores; 255 where it ignores none."""
    found = head(RunFiles(solver).train)
    return IGNORE_LABEL if found is None or found.ignore is None else found.ignore


def check_settings(stage: Stage, folder: str) -> None:
    """Raise `InputError` where `folder` holds a stage that was begun with other settings."""
    record = read_record(folder)
    if not record or stage.settings is None:
        return
    before, now = record.get("settings") or {}, stage.settings
    changed = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    if changed:
        what = "; ".join(
            f"{key} was {before.get(key, 'not set')}, is {now.get(key, 'not set')}"
            for key in changed[:3]
        )
        more = f"; and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise InputError(
            f"{folder}: was begun with other settings ({what}{more}): use those to continue it, "
            "pass {force} to start over, or choose another output folder",
            option="force",
            value=True,
        )


def _check_classes(names: Sequence[str], counts: Sequence[int | None]) -> None:
    known = {count: name for count, name in zip(counts, names) if count is not None}
    if len(known) > 1:
        found = ", ".join(f"{name} scores {count}" for count, name in known.items())
        raise InputError(
            f"the stages score different numbers of classes: {found}. Give their scoring and "
            "upsampling layers the same num_output"
        )


def _shapes(net: pb.NetParameter) -> Weights:
    """Return weights in the shapes of `net` that take no memory (all values are one zero)."""
    weights = Weights(name=net.name)
    layers = net_parameters(net)
    for key, (layer, blobs) in zip(layer_keys(layer.name for layer, _ in layers), layers):
        weights[key] = [np.broadcast_to(np.float32(0), blob.shape) for blob in blobs]
        weights.types[key] = layer.type
    return weights


def _check_fit(source: Weights, net: pb.NetParameter, what: str) -> None:
    """Refuse surgery that would leave out learned blobs of a layer that both nets have."""
    try:
        steps = transplant(source, net).steps
    except InputError as error:
        raise InputError(f"{what}: {error}") from error
    # Bilinear upsampling from stride 32 and from stride 8 may well have the same layer name.
    fixed = {layer.name for layer in distinct_layers(net).layer if _is_fixed_upsampling(layer)}
    misfits = [
        str(step)
        for step in steps
        if step.action == "dropping" and step.target and step.target not in fixed
    ]
    if misfits:
        raise InputError(
            f"{what}: not all layers of the same name fit:\n  " + "\n  ".join(misfits) + "\n"
            "  give such layers the same sizes, or rename those that should start afresh"
        )


def _is_fixed_upsampling(layer: pb.LayerParameter) -> bool:
    return (
        layer.type == "Deconvolution"
        and len(layer.param) > 0
        and not any(param.lr_mult for param in layer.param)
    )
