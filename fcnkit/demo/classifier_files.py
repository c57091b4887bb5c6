"""Data and solver of the demo's classifier, from which net surgery starts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import pb, read_net, read_solver, write_text
from fcnkit import zoo
from fcnkit.datasets import DatasetFolder
from fcnkit.zoo import CROP

from . import generated_shapes, object_crops

if TYPE_CHECKING:
    from collections.abc import Mapping

# Crops are stored larger than the classifier's input, which sees a random part of them.
_CROP_MARGIN = 8


def write_classifier_files(
    archive: str | os.PathLike[str],
    data: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    seed: int = 1,
) -> str:
    """Write what the classifier trains on into `folder`, which must not exist.

    archive     with the boxes around the shapes, as `write_archive` writes it
    data        dataset folder with the images of that archive
    folder      gets the databases `train` and `val` of crops, train_val.prototxt, solver.prototxt

    Returns the path of the solver.
    """
    random = np.random.RandomState(seed)
    boxes = object_crops.read_boxes(archive, generated_shapes.CLASSES)
    os.makedirs(folder)
    sources = {}
    with DatasetFolder(data) as dataset:
        for split, turns in (("train", 4), ("val", 1)):
            sources[split] = os.path.abspath(os.path.join(folder, split))
            images, side = dataset.split(split), CROP + _CROP_MARGIN
            object_crops.write_crops(sources[split], images, boxes, side, turns, random)
    return _write_solver(folder, sources)


def _write_solver(folder: str | os.PathLike[str], sources: Mapping[str, str]) -> str:
    """Write the classifier's net with the crops as its data, and its solver beside it."""
    net = read_net(zoo.path("shapes_classifier", "train_val.prototxt"))
    for layer in net.layer:
        if layer.type == "Data":
            is_train = layer.include[0].phase == pb.TRAIN
            layer.data_param.source = sources["train" if is_train else "val"]
    write_text(os.path.join(folder, "train_val.prototxt"), net)
    solver = read_solver(zoo.path("shapes_classifier", "solver.prototxt"))
    path = os.path.join(folder, "solver.prototxt")
    write_text(path, solver)
    return path
