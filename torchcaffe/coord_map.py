"""pycaffe's `coord_map`: how the pixels of one top of a net_spec map to those of another.

A map is (axis, a, b): coordinate x of one blob is a x + b of the other, along the spatial axes
after `axis` (None if any will do). `caffeformat.geometry` computes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import InputError, geometry, layers, to_proto
from caffeformat.geometry import convolution_windows, extent, pooling_windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caffeformat import pb
    from caffeformat.messages import LayerCall, Top

    Map = tuple[int | None, NDArray[np.float64], NDArray[np.float64]]


class UndefinedMapException(InputError, RuntimeError):
    """There is no map: no path joins the tops, or a layer on it does not keep coordinates."""


class AxisMismatchException(InputError):
    """Two maps begin at different axes."""


def crop(top_from: Top, top_to: Top) -> Top:
    """Declare a Crop of `top_from` to the size of `top_to`, with the offset that aligns them.

    Raises `InputError` if that offset is not a whole number of pixels.
    """
    net, names = _trial(top_from, top_to)
    try:
        geometry.coord_map(net, *names)
    except InputError as error:
        raise UndefinedMapException(str(error)) from None
    trial = to_proto(layers.Crop(top_from, top_to, axis=2))
    offset = geometry.crop_offset(trial, trial.layer[-1].name)
    offsets = list(offset) if isinstance(offset, tuple) else [offset]
    return layers.Crop(top_from, top_to, axis=2, offset=offsets)


def coord_map_from_to(top_from: Top, top_to: Top) -> Map:
    """Compute the map from coordinates of `top_from` to those of `top_to`.

    Raises `UndefinedMapException` unless a path of layers that keep coordinates joins them.
    """
    net, names = _trial(top_from, top_to)
    try:
        return _as_map(geometry.coord_map(net, *names))
    except InputError as error:
        raise UndefinedMapException(str(error)) from None


def coord_map(fn: LayerCall) -> Map:
    """Compute the map from coordinates of a layer's bottom to those of its top.

    `fn` is the `fn` of a top.
    """
    found = geometry.layer_map(_layer(fn))
    if found is None:
        raise UndefinedMapException(f"{fn.type_name} layers do not keep coordinates")
    return _as_map(found.inverse())


def compose(base_map: Map, next_map: Map) -> Map:
    """Compose two maps: `base_map` is applied after `next_map`."""
    (axis, a, b), (other, c, d) = base_map, next_map
    if axis is None or other is None:
        axis = other if axis is None else axis
    elif axis != other:
        raise AxisMismatchException(f"one map begins at axis {axis}, the other at {other}")
    return axis, a * c, a * d + b


def inverse(coord_map: Map) -> Map:
    """Invert a map."""
    axis, a, b = coord_map
    return axis, 1 / a, -b / a


def conv_params(fn: LayerCall) -> tuple[Any, ...]:
    """Return (axis, stride, extent of the kernel, padding) of a convolution or pooling.

    All but `axis` are arrays of one number per spatial axis.
    """
    layer = _layer(fn)
    pooled = layer.type == "Pooling"
    windows = pooling_windows(layer) if pooled else convolution_windows(layer)
    axis = 1 if pooled else layer.convolution_param.axis
    columns = zip(*[(window.stride, extent(window), window.pad) for window in windows or ()])
    return (axis, *map(np.array, columns))


def crop_params(fn: LayerCall) -> tuple[int, NDArray[np.int64]]:
    """Return (axis, offsets) of a Crop."""
    param = _layer(fn).crop_param
    return param.axis, np.array(list(param.offset) or [0])


def _as_map(found: geometry.CoordMap) -> Map:
    """Convert a `CoordMap`: pycaffe's axis is the one before the first spatial axis."""
    axis = None if found.axis is None else found.axis - 1
    return axis, np.array(found.scale, float), np.array(found.shift, float)


def _trial(*tops: Top) -> tuple[pb.NetParameter, list[str]]:
    """Make a net with these tops; returns it and the names of their blobs."""
    net = to_proto(layers.Silence(*tops, ntop=0))
    names = list(net.layer[-1].bottom)
    del net.layer[-1]
    return net, names


def _layer(fn: LayerCall) -> pb.LayerParameter:
    """Make the LayerParameter of a net_spec's function."""
    return to_proto(fn.tops[0] if fn.tops else fn).layer[-1]
