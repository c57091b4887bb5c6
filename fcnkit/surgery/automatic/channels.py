"""Gives a classifier another number of channels: depth or infrared beside colour, many bands, grey.

Of a net of blue, green and red, the weights of a colour go to the channel that shows it; every
further channel starts with the average of the three, as Berkeley's nets for RGB-D do. A single grey
channel gets their sum, so that it gives what three equal channels gave.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caffeformat import InputError, Weights, pb
from fcnkit import nets
from fcnkit.images import check_bands, count_channels

from ..edits import widen_inputs

if TYPE_CHECKING:
    from collections.abc import Container, Sequence
    from typing import Any

    from numpy.typing import NDArray


class Widened(NamedTuple):
    """A classifier of another number of channels, its weights, and what was done to its layers."""

    net: pb.NetParameter
    weights: Weights | None
    changes: dict[str, str]


def with_channels(
    net: pb.NetParameter,
    weights: Weights | None,
    channels: int,
    bands: Sequence[int] | None = None,
) -> Widened:
    """Return the classifier `net`, and its `weights` if there are any, for images of `channels`.

    `bands` are the channels that show red, green and blue, counted from 1 (default: the first
    three). Both arguments stay as they are. Raises `InputError` for a net without an Input layer
    for one image, and where a grouped convolution, or a layer with weights that is none, reads the
    image.
    """
    image, have = _image(net)
    changed = pb.NetParameter()
    changed.CopyFrom(net)
    if have == channels:
        return Widened(changed, weights, {})
    if bands is not None:
        check_bands(bands, channels)
    for layer in changed.layer:
        if layer.type == "Input" and image in layer.top:
            for shape in layer.input_param.shape:
                if len(shape.dim) == 4:
                    shape.dim[1] = channels
    readers = nets.image_convolutions(net, image)
    changes, new = {}, dict(weights or {})
    for layer in readers:
        if layer.convolution_param.group > 1:
            raise InputError(
                f'layer "{layer.name}": reads the image in {layer.convolution_param.group} groups, '
                "expected one: its channels cannot be changed"
            )
        changes[layer.name] = f"reads {count_channels(channels)} in place of {have}"
        if new.get(layer.name):
            new[layer.name] = _widened(new[layer.name], channels, bands)
    if weights is None:
        return Widened(changed, None, changes)
    _refuse_others(net, changed, changes)
    return Widened(changed, Weights(new.items(), weights.name, weights.types), changes)


def _refuse_others(net: pb.NetParameter, changed: pb.NetParameter, known: Container[str]) -> None:
    """Raise `InputError` where more than the layers `known` depends on the channels."""
    before, after = (
        {layer.name: [blob.shape for blob in blobs] for layer, blobs in nets.net_parameters(each)}
        for each in (net, changed)
    )
    for layer in net.layer:
        name = layer.name
        if name not in known and before.get(name) != after.get(name):
            raise InputError(
                f'layer "{name}" ({layer.type}): has a weight for every channel of the image, and '
                "nothing says what those of other channels would be: remove the layer from the "
                "classifier, and let the mean and the scale of the images stand for it"
            )


def _image(net: pb.NetParameter) -> tuple[str, int]:
    """(blob, channels) of the one image that `net` reads."""
    found = []
    for layer in net.layer:
        for top in layer.top if layer.type == "Input" else ():
            channels = nets.declared_channels(net, top)
            if channels is not None:
                found.append((top, channels))
    if len(found) != 1:
        raise InputError(
            f"net {net.name!r}: expected one Input layer for images, found {len(found)}: pass the "
            "classifier's deploy.prototxt"
        )
    return found[0]


def _widened(
    arrays: Sequence[NDArray[Any]], channels: int, bands: Sequence[int] | None
) -> list[NDArray[Any]]:
    old = arrays[0]
    if channels == 1:
        return [old.sum(axis=1, keepdims=True), *arrays[1:]]
    widened = widen_inputs(arrays, channels)
    if old.shape[1] == 3 and channels > 3:
        # All are averages now but for the first ones, whose places the colours need not have.
        weights = np.repeat(old.mean(axis=1, keepdims=True), channels, axis=1)
        for band, colour in zip(bands or (1, 2, 3), (2, 1, 0)):
            weights[:, band - 1] = old[:, colour]
        widened[0] = weights.astype(old.dtype)
    return widened
