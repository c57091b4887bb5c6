"""Weights that make rare classes count in the loss, and the loss layer that uses them.

Caffe's SoftmaxWithLoss knows no weights. Its InfogainLoss does: with a diagonal matrix H the loss
of a pixel of class k is H[k, k] times its softmax loss.
"""

import os

import numpy as np

from caffeformat import InputError, pb, write_blob

from .datasets import open_dataset

FILE_NAME = "class_weights.binaryproto"


def median_frequency_weights(pixels, present):
    """Median-frequency weights of the classes, a list of float; None for a class without pixels.

    `pixels` of each class, and `present`, the labelled pixels of all images in which the class is.
    A class's frequency is pixels / present, its weight the median of all frequencies over its own
    (D. Eigen and R. Fergus, "Predicting depth, surface normals and semantic labels with a common
    multi-scale convolutional architecture", 2015, section 4.3).
    """
    frequencies = [p / q if p else None for p, q in zip(pixels, present)]
    known = [frequency for frequency in frequencies if frequency]
    median = float(np.median(known)) if known else None
    return [median / frequency if frequency else None for frequency in frequencies]


def count_pixels(dataset, classes):
    """(pixels of each class, labelled pixels of the images that show it): two int64 arrays."""
    pixels, present = np.zeros((2, classes), np.int64)
    for i in range(len(dataset)):
        counts = np.bincount(dataset.label(i).ravel(), minlength=256)[:classes]
        pixels += counts
        present += np.where(counts > 0, counts.sum(), 0)
    return pixels, present


def weigh_loss(net, data, classes, power, folder):
    """Turn the last SoftmaxWithLoss of `net` (NetParameter) into a weighted InfogainLoss.

    data        dataset folder whose training labels are counted
    classes     number that the net scores; a class that never occurs weighs 1
    power       weights are median-frequency weights to this power: 1 evens classes out, 0.5 does so
                by half
    folder      where the matrix is written as `class_weights.binaryproto`

    Returns the weights, float64. Raises `InputError` where the net has no such loss.
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


def _use_normalization(param):
    # InfogainLoss refuses the older `normalize`, which says the same in fewer words.
    if param.HasField("normalize") and not param.HasField("normalization"):
        modes = pb.LossParameter
        param.normalization = modes.VALID if param.normalize else modes.BATCH_SIZE
    param.ClearField("normalize")
