"""The loss that a net is trained with: class weights, or another loss in place of its own.

Caffe's SoftmaxWithLoss has no class weights. Its InfogainLoss does: with a diagonal matrix H the
loss of a pixel of class k is H[k, k] times its softmax loss.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import InputError, pb, write_blob
from fcnkit.datasets import count_pixels, median_frequency_weights
from fcnkit.losses import LOSSES, MODULE, parse_loss_options

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from numpy.typing import NDArray

    from fcnkit.datasets import SegmentationDataset

FILE_NAME = "class_weights.binaryproto"


def weigh_loss(
    net: pb.NetParameter,
    dataset: SegmentationDataset,
    classes: int,
    power: float,
    folder: str | os.PathLike[str],
) -> NDArray[np.float64]:
    """Turn the last SoftmaxWithLoss of `net` into a weighted InfogainLoss; returns the weights.

    dataset     whose labels are counted
    classes     number of classes that the net scores; a class that never occurs gets weight 1
    power       the median-frequency weights are raised to this power: 1 balances the classes fully,
                0.5 half way
    folder      where the matrix is written, as `class_weights.binaryproto`

    Raises `InputError` where the net has no such loss.
    """
    layer = _softmax_loss(net, "class weights need")
    param = layer.loss_param
    ignore = param.ignore_label if param.HasField("ignore_label") else None
    found = median_frequency_weights(*count_pixels(dataset, classes, ignore))
    known = np.array([1.0 if weight is None else weight for weight in found])
    with np.errstate(over="ignore", under="ignore"):
        weights = np.power(known, power)
        single = weights.astype(np.float32)
    if not (np.isfinite(single) & (single > 0)).all():
        raise InputError(
            f"class weights of {known.min():.3g} to {known.max():.3g} leave the range of float32 "
            "with {option}: choose a smaller power",
            option="class_weights",
            value=power,
        )
    path = os.path.join(folder, FILE_NAME)
    write_blob(path, np.diag(single)[None, None])
    layer.type = "InfogainLoss"
    layer.infogain_loss_param.source = path
    layer.infogain_loss_param.axis = layer.softmax_param.axis
    layer.ClearField("softmax_param")
    _use_normalization(layer.loss_param)
    return weights


def replace_loss(net: pb.NetParameter, name: str, options: Mapping[str, Any]) -> None:
    """Turn the last SoftmaxWithLoss of `net` into the loss `name` of `fcnkit.losses`.

    It keeps the layer's ignore_label and loss_weight. Raises `InputError` where the net has no such
    loss, or its classes lie along another axis than 1.
    """
    layer = _softmax_loss(net, f"the loss {name!r} takes the place of")
    if layer.softmax_param.axis != 1:
        raise InputError(
            f"layer {layer.name!r}: its classes lie along axis {layer.softmax_param.axis}; the "
            f"loss {name!r} needs them along axis 1"
        )
    given = parse_loss_options(name, options)
    if given["ignore_label"] is None and layer.loss_param.HasField("ignore_label"):
        given["ignore_label"] = layer.loss_param.ignore_label
    layer.type = "Python"
    if not layer.loss_weight:
        layer.loss_weight.append(1)
    layer.ClearField("softmax_param")
    layer.ClearField("loss_param")
    layer.python_param.module = MODULE
    layer.python_param.layer = LOSSES[name].layer
    layer.python_param.param_str = json.dumps(given)


def _softmax_loss(net: pb.NetParameter, what: str) -> pb.LayerParameter:
    losses = [layer for layer in net.layer if layer.type == "SoftmaxWithLoss"]
    if not losses:
        raise InputError(f"net {net.name!r}: {what} a SoftmaxWithLoss layer, it has none")
    return losses[-1]


def _use_normalization(param: pb.LossParameter) -> None:
    # InfogainLoss refuses the older `normalize`; `normalization` expresses the same.
    if param.HasField("normalize") and not param.HasField("normalization"):
        modes = pb.LossParameter
        param.normalization = modes.VALID if param.normalize else modes.BATCH_SIZE
    param.ClearField("normalize")
