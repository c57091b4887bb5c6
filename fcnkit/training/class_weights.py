"""Class weights that make rare classes count in the loss, and the loss layer that uses them.

Caffe's SoftmaxWithLoss has no class weights. Its InfogainLoss does: with a diagonal matrix H the
loss of a pixel of class k is H[k, k] times its softmax loss.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import InputError, pb, write_blob
from fcnkit.datasets import open_dataset

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from fcnkit.datasets import SegmentationDataset

FILE_NAME = "class_weights.binaryproto"


def median_frequency_weights(
    pixels: Iterable[float], present: Iterable[float]
) -> list[float | None]:
    """Return the median-frequency weight of each class; None for a class without pixels.

    `pixels` holds the number of pixels of each class, `present` the number of labelled pixels in
    the images that show the class. A class's frequency is pixels / present; its weight is the
    median of all frequencies divided by its own (D. Eigen and R. Fergus, "Predicting depth, surface
    normals and semantic labels with a common multi-scale convolutional architecture", 2015,
    section 4.3).
    """
    frequencies = [p / q if p else None for p, q in zip(pixels, present)]
    known = [frequency for frequency in frequencies if frequency]
    median = float(np.median(known)) if known else 0.0
    return [median / frequency if frequency else None for frequency in frequencies]


def count_pixels(
    dataset: SegmentationDataset, classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (pixels of each class, labelled pixels of the images that show it)."""
    pixels, present = np.zeros((2, classes), np.int64)
    for i in range(len(dataset)):
        counts = np.bincount(dataset.label(i).ravel(), minlength=256)[:classes]
        pixels += counts
        present += np.where(counts > 0, counts.sum(), 0)
    return pixels, present


def weigh_loss(
    net: pb.NetParameter,
    data: str | os.PathLike[str],
    classes: int,
    power: float,
    folder: str | os.PathLike[str],
) -> NDArray[np.float64]:
    """Turn the last SoftmaxWithLoss of `net` into a weighted InfogainLoss; returns the weights.

    data        dataset folder whose training labels are counted
    classes     number of classes that the net scores; a class that never occurs gets weight 1
    power       the median-frequency weights are raised to this power: 1 balances the classes fully,
                0.5 half way
    folder      where the matrix is written, as `class_weights.binaryproto`

    Raises `InputError` where the net has no such loss.
    """
    losses = [layer for layer in net.layer if layer.type == "SoftmaxWithLoss"]
    if not losses:
        raise InputError(
            f"net {net.name!r}: class weights need a SoftmaxWithLoss layer, it has none"
        )
    layer = losses[-1]
    with open_dataset(data, "train") as dataset:
        found = median_frequency_weights(*count_pixels(dataset, classes))
    weights = np.array([1.0 if weight is None else weight**power for weight in found])
    path = os.path.join(folder, FILE_NAME)
    write_blob(path, np.diag(weights).astype(np.float32)[None, None])
    layer.type = "InfogainLoss"
    layer.infogain_loss_param.source = path
    layer.infogain_loss_param.axis = layer.softmax_param.axis
    layer.ClearField("softmax_param")
    _use_normalization(layer.loss_param)
    return weights


def _use_normalization(param: pb.LossParameter) -> None:
    # InfogainLoss refuses the older `normalize`; `normalization` expresses the same.
    if param.HasField("normalize") and not param.HasField("normalization"):
        modes = pb.LossParameter
        param.normalization = modes.VALID if param.normalize else modes.BATCH_SIZE
    param.ClearField("normalize")
