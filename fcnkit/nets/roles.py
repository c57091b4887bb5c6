"""Roles of the layers of a segmentation net, from its message: inputs, labels, scores, losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from caffeformat import InputError, filter_net, geometry, pb
from fcnkit.losses import loss_kind, parse_loss_options

from .channels import declared_channels

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Layers that read their tops from outside the net.
DATA_TYPES = (
    "Data", "DenseImageData", "HDF5Data", "ImageData", "ImageSegData", "MemoryData", "WindowData",
)  # fmt: skip
_ACCURACIES = ("Accuracy", "SegAccuracy")


class Head(NamedTuple):
    """Where a net compares its scores with labels."""

    # Blob of the scores, N x classes x H x W
    score: str
    # Blob of the labels, N x 1 x H x W
    label: str
    # The label that is ignored, if any
    ignore: int | None
    # Whether the loss is a mean over pixels
    is_per_pixel: bool


def data_layers(net: pb.NetParameter) -> list[pb.LayerParameter]:
    """The layers of `net` that bring data in: Caffe's data layers, and Python layers like them."""
    return [layer for layer in net.layer if _brings_data(layer)]


def _brings_data(layer: pb.LayerParameter) -> bool:
    return layer.type in DATA_TYPES or (layer.type == "Python" and not layer.bottom)


def is_label(blob: str) -> bool:
    """Whether the name of a data layer's top says that it holds labels."""
    return "label" in blob.lower()


def head(net: pb.NetParameter) -> Head | None:
    """The `Head` of a net's last loss of scores and labels, else of its Accuracy, or None.

    Losses are SoftmaxWithLoss, InfogainLoss and the Python layers of `fcnkit.losses`.

    In a net with auxiliary losses the main loss is the last one.
    """
    for layer_types in (("SoftmaxWithLoss", "InfogainLoss"), ("Accuracy",)):
        for layer in reversed(net.layer):
            kind = _python_loss(layer) if layer_types[0] != "Accuracy" else None
            if (layer.type in layer_types or kind) and len(layer.bottom) >= 2:
                return _head_of(layer, kind)
    return None


def _python_loss(layer: pb.LayerParameter) -> str | None:
    param = layer.python_param
    return loss_kind(param.module, param.layer) if layer.type == "Python" else None


def _head_of(layer: pb.LayerParameter, kind: str | None) -> Head:
    param: pb.AccuracyParameter | pb.LossParameter
    if kind is not None:
        options = parse_loss_options(kind, layer.python_param.param_str)
        return Head(layer.bottom[0], layer.bottom[1], options["ignore_label"], False)
    if layer.type == "Accuracy":
        param, is_per_pixel = layer.accuracy_param, False
    else:
        param = layer.loss_param
        if layer.type == "InfogainLoss":
            is_per_pixel = False  # its weights make it something other than a mean
        elif param.HasField("normalization"):
            is_per_pixel = param.normalization in (pb.LossParameter.VALID, pb.LossParameter.FULL)
        else:
            is_per_pixel = param.normalize or not param.HasField("normalize")
    ignore = param.ignore_label if param.HasField("ignore_label") else None
    return Head(layer.bottom[0], layer.bottom[1], ignore, is_per_pixel)


def count_classes(net: pb.NetParameter, side: int = 224, channels: int = 3) -> int | None:
    """Return the number of classes that `net` scores, None where its text does not determine it.

    Shapes are inferred for images of `side` x `side` pixels in so many channels.
    """
    found = head(net)
    if found is None:
        return None
    tops = [top for layer in data_layers(net) for top in layer.top]
    shapes = {top: (1, 1 if is_label(top) else channels, side, side) for top in tops}
    try:
        return int(geometry.infer_shapes(net, shapes)[found.score][1])
    except InputError:
        # Only an engine knows the shapes of Python layers.
        return None


def loss_weights(net: pb.NetParameter) -> dict[str, float]:
    """The weight in the loss of each blob that has one, by blob name.

    A loss layer's first top counts 1 unless `loss_weight` says otherwise, all other tops 0.
    """
    weights: dict[str, float] = {}
    for layer in net.layer:
        for i, top in enumerate(layer.top):
            if i < len(layer.loss_weight):
                weights[top] = layer.loss_weight[i]
            elif i == 0 and layer.type.endswith("Loss"):
                weights[top] = 1.0
    return {top: weight for top, weight in weights.items() if weight}


def deploy_net(
    net: pb.NetParameter, image_shape: Sequence[int], channels: int | None = None
) -> tuple[pb.NetParameter, str]:
    """A copy of `net` for inference on images of `image_shape` (height, width).

    Keeps the layers of phase TEST and stage `deploy`, but for data layers, losses, accuracies and
    whatever else depends on labels. An Input layer of 1 x channels x height x width replaces the
    image's data layer, as DIGITS does with its all-in-one files; `channels` are by default those of
    the net's own Input layer, else 3. Returns (net, name of the input blob). Raises `InputError` if
    no blob is an image's.
    """
    deploy = filter_net(net, pb.TEST, stages=("deploy",))
    readers = data_layers(deploy)
    given = {top for layer in deploy.layer if layer.type == "Input" for top in layer.top}
    tops = [top for layer in readers for top in layer.top if top not in given]
    image = _choose_input(deploy, given or [top for top in tops if not is_label(top)])
    channels = channels or declared_channels(deploy, image) or 3
    missing = set(tops) - {image}
    kept = []
    if image not in given:
        kept.append(pb.LayerParameter(name=image, type="Input", top=[image]))
    for layer in deploy.layer:
        if _brings_data(layer):
            continue
        if layer.type.endswith("Loss") or layer.type in _ACCURACIES or missing & {*layer.bottom}:
            missing.update(top for top in layer.top if top not in layer.bottom)
        else:
            kept.append(layer)
    del deploy.layer[:]
    deploy.layer.extend(kept)
    for layer in deploy.layer:
        del layer.include[:], layer.exclude[:]
        if layer.type == "Input" and image in layer.top:
            _set_shape(layer, list(layer.top).index(image), (1, channels, *image_shape))
    return deploy, image


def _choose_input(net: pb.NetParameter, candidates: Iterable[str]) -> str:
    names = sorted(candidates)
    if "data" in names:
        return "data"
    images = [name for name in names if not is_label(name)]
    if len(images) == 1:
        return images[0]
    found = ", ".join(names) or "none"
    raise InputError(
        f"net {net.name!r}: expected one input for images, preferably called data; found {found}"
    )


def _set_shape(layer: pb.LayerParameter, index: int, shape: Sequence[int]) -> None:
    shapes = layer.input_param.shape
    # One shape may stand for all tops of an Input layer.
    common = pb.BlobShape()
    if shapes:
        common.CopyFrom(shapes[0])
    while len(shapes) < len(layer.top):
        shapes.add().CopyFrom(common)
    del shapes[index].dim[:]
    shapes[index].dim.extend(shape)
