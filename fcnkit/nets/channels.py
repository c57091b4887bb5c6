"""How many channels a net expects of its images, as far as its text or its weights say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from caffeformat import pb

# Layers whose first top has the channels of their first bottom.
_KEEPING = frozenset(
    [
        "AbsVal",
        "BatchNorm",
        "Bias",
        "BN",
        "BNLL",
        "Clip",
        "Crop",
        "Dropout",
        "ELU",
        "Exp",
        "Interp",
        "Log",
        "LRN",
        "MVN",
        "Normalize",
        "Pooling",
        "Power",
        "PReLU",
        "ReLU",
        "Scale",
        "Sigmoid",
        "Split",
        "Swish",
        "TanH",
        "Threshold",
    ]
)


def declared_channels(net: pb.NetParameter, image: str) -> int | None:
    """The number of channels in the shape that an Input layer of `net` gives the blob `image`."""
    for layer in net.layer:
        if layer.type == "Input" and image in layer.top and layer.input_param.shape:
            shapes = layer.input_param.shape
            shape = shapes[min(list(layer.top).index(image), len(shapes) - 1)].dim
            return int(shape[1]) if len(shape) == 4 else None
    return None


def image_convolutions(net: pb.NetParameter, image: str) -> list[pb.LayerParameter]:
    """The Convolutions that read the channels of the blob `image`, as they are or normalized."""
    carriers, found = {image}, []
    for layer in net.layer:
        if not layer.bottom or layer.bottom[0] not in carriers:
            carriers.difference_update(layer.top if layer.bottom else ())
            continue
        if layer.type == "Convolution":
            found.append(layer)
        if layer.type in _KEEPING:
            carriers.update(layer.top[:1] if layer.type != "Split" else layer.top)
        elif layer.top:
            carriers.difference_update(layer.top)
    return found


def channels_of_weights(
    net: pb.NetParameter, image: str, weights: Mapping[str, Sequence[NDArray[Any]]]
) -> int | None:
    """The number of channels of `image` that `weights` of `net` were made for, None if unknown."""
    for layer in image_convolutions(net, image):
        blobs = weights.get(layer.name)
        if blobs and blobs[0].ndim >= 3:
            return int(blobs[0].shape[1]) * max(1, layer.convolution_param.group)
    return None
