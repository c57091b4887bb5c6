"""Copies a caffemodel into a net of either engine, and fills what it leaves at zero."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

import numpy as np

import caffeformat
from caffeformat import InputError, listed, pb
from caffeformat.messages import distinct_layers
from fcnkit.nets import fill, interpolation_weights

from .pycaffe import layer_params

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from .pycaffe import Net


_listing = functools.partial(listed, most=6, none="nothing")


def copy_weights(net: Net, path: str | os.PathLike[str]) -> list[str]:
    """Copy the weights in the caffemodel at `path` into `net` by layer name, as Caffe does.

    Returns and raises as `compare_weights`.
    """
    path = os.fspath(path)
    weights = caffeformat.read_caffemodel(path)
    unmatched = _compare_layers(net, path, weights)
    if not unmatched:
        net.copy_from(path)
        return unmatched
    # The file may name those layers, without blobs: BVLC Caffe would end the process.
    for name, blobs in layer_params(net).items():
        if name in unmatched:
            continue
        for blob, values in zip(blobs, weights[name]):
            if values is not None:
                blob.data[...] = values.reshape(tuple(blob.shape))
    return unmatched


def compare_weights(net: Net, path: str | os.PathLike[str]) -> list[str]:
    """Check that the caffemodel at `path` fits `net`, without copying anything.

    Returns the names of the net's layers that have parameters but none in the file; they keep the
    values from their fillers. Raises `InputError` where a layer's blobs differ in number or shape
    (BVLC Caffe would end the process), and where no layer matches at all.
    """
    path = os.fspath(path)
    return _compare_layers(net, path, caffeformat.read_caffemodel(path))


def _compare_layers(net: Net, path: str, weights: caffeformat.Weights) -> list[str]:
    unmatched = []
    params = layer_params(net)
    for name, blobs in params.items():
        if not weights.get(name):
            unmatched.append(name)
            continue
        _compare(path, name, [tuple(blob.shape) for blob in blobs], weights[name])
    for name in net._layer_names:
        if name not in params and weights.get(name):
            _compare(path, name, [], weights[name])
    if params and len(unmatched) == len(params):
        raise InputError(
            f"{path}: none of its layers is in the net: it has {_listing(weights)}; the net has "
            f"{_listing(params)}. Are these the weights of another network?"
        )
    return unmatched


def fill_weights(
    net: Net, message: pb.NetParameter, names: Collection[str], kind: str, seed: int
) -> None:
    """Fill the weights of the layers `names` of `net` with Caffe's filler `kind` (xavier, msra).

    `message` is the net's NetParameter. Deconvolution layers that can upsample each channel
    separately get the bilinear kernel, which is what they are for in an FCN.
    """
    random = np.random.RandomState(seed & 0xFFFFFFFF)
    params = layer_params(net)
    for layer in distinct_layers(message).layer:
        if layer.name not in names:
            continue
        blob = params[layer.name][0]
        shape = tuple(blob.shape)
        if layer.type == "Deconvolution" and shape[1] in (1, shape[0]) and shape[2] == shape[3]:
            blob.data[...] = interpolation_weights(shape)
        else:
            blob.data[...] = fill(pb.FillerParameter(type=kind), shape, random)


def _compare(
    path: str,
    layer: str,
    expected: Sequence[tuple[int, ...]],
    blobs: Sequence[NDArray[Any] | None],
) -> None:
    if len(blobs) != len(expected):
        raise InputError(
            f"{path}: layer {layer!r} has {len(blobs)} blobs, but {len(expected)} in the net: "
            "rename the layer in the net to leave them out"
        )
    for i, (shape, blob) in enumerate(zip(expected, blobs)):
        # HDF5 files leave out shared blobs; old files pad shapes with ones to 4 axes.
        if blob is None or _trimmed(blob.shape) == _trimmed(shape):
            continue
        raise InputError(
            f"{path}: blob {i} of layer {layer!r} is {_size(blob.shape)}, but {_size(shape)} in "
            "the net: the weights are for a network with other classes or layers; rename the layer "
            "to start it afresh, or transplant with net_surgery"
        )


def _trimmed(shape: tuple[int, ...]) -> tuple[int, ...]:
    while len(shape) > 1 and shape[0] == 1:
        shape = shape[1:]
    return shape


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single number"
