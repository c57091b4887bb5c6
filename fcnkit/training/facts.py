"""What can be said about a training run: its data, recipe and scores, for a model's card."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from typing import TYPE_CHECKING

from caffeformat import InputError, pb, read_net, read_solver
from fcnkit import nets
from fcnkit.datasets import DatasetFolder, is_segmentation_data, options_of

from .curves import parse_log

if TYPE_CHECKING:
    from collections.abc import Mapping

# What a data layer is told beside how to draw a sample at random.
_NOT_DRAWN = frozenset(
    ("source", "split", "batch_size", "seed", "mean", "input_scale", "shuffle", "classes",
     "channels", "depth", "white", "bands", "threads", "cache_mb",
     "ignore", "start", "steps")
)  # fmt: skip

_SCORES = {"test_mean_iou": "mean IoU", "test_pixel_accuracy": "pixel accuracy"}


@dataclasses.dataclass(frozen=True)
class RunFacts:
    """What a run's files say about it.

    data     name of the dataset's folder, or None
    images   {"train": count, "val": count} of the dataset, as far as it is still there
    scores   {"mean IoU": value, "pixel accuracy": value} of the last test that is no later than
             `iteration`, on the validation images; empty without one
    recipe   {what: value in words}: solver, rate, batch, ...
    """

    data: str | None
    images: Mapping[str, int]
    scores: Mapping[str, float]
    recipe: Mapping[str, str]


def run_facts(folder: str | os.PathLike[str], iteration: int | None) -> RunFacts:
    """Gather the `RunFacts` of the run in `folder` for its snapshot after `iteration` steps.

    None: it is not known which snapshot it is, and so neither scores nor steps are.
    """
    folder = os.fspath(folder)
    solver = read_solver(os.path.join(folder, "solver.prototxt"))
    net = read_net(os.path.join(folder, os.path.basename(solver.train_net or solver.net)))
    scores: dict[str, float] = {}
    log = os.path.join(folder, "train.log")
    for row in parse_log(log) if os.path.isfile(log) else []:
        if iteration is not None and row["iteration"] <= iteration:
            scores.update({_SCORES[key]: row[key] for key in _SCORES if key in row})
    path = _dataset(net)
    return RunFacts(
        os.path.basename(path) if path else None,
        _images(path),
        scores,
        {**_recipe(solver, iteration), **_batches(net, solver)},
    )


def _recipe(solver: pb.SolverParameter, iteration: int | None) -> dict[str, str]:
    policy = solver.lr_policy or "fixed"
    steps = {} if iteration is None else {"steps": f"{iteration} of {solver.max_iter}"}
    return {
        "solver": solver.type or "SGD",
        "learning rate": f"{solver.base_lr:g}, policy {policy}",
        "momentum": f"{solver.momentum:g}",
        "weight decay": f"{solver.weight_decay:g}",
        **steps,
    }


def _batches(net: pb.NetParameter, solver: pb.SolverParameter) -> dict[str, str]:
    for layer in nets.data_layers(net):
        if layer.type == "Data":
            return {"images per step": f"{layer.data_param.batch_size * (solver.iter_size or 1)}"}
        if is_segmentation_data(layer):
            options = options_of(layer)
            batch = int(options.get("batch_size", 1)) * (solver.iter_size or 1)
            drawn = {key: options[key] for key in options if key not in _NOT_DRAWN}
            words = ", ".join(f"{key} {_word(key, value)}" for key, value in drawn.items())
            return {"images per step": str(batch), **({"augmentation": words} if words else {})}
    return {}


def _word(key: str, value: object) -> str:
    """The value of an option of SegmentationData as a card says it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return {"crop": "x", "blur": ":"}.get(key, " to ").join(map(str, value))
    return str(value)


def _dataset(net: pb.NetParameter) -> str | None:
    """The dataset's folder that the training net reads, or None."""
    for layer in nets.data_layers(net):
        if layer.type == "Data" and layer.data_param.source:
            return os.path.dirname(os.path.dirname(os.path.abspath(layer.data_param.source)))
        if is_segmentation_data(layer) and options_of(layer).get("source"):
            return os.path.abspath(str(options_of(layer)["source"]))
    return None


def _images(path: str | None) -> dict[str, int]:
    counts: dict[str, int] = {}
    with contextlib.suppress(InputError):
        if path is not None:
            with DatasetFolder(path) as dataset:
                for split in ("train", "val"):
                    counts[split] = dataset.count(split)
    return counts
