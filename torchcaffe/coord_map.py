"""pycaffe's `coord_map`: how the pixels of one top of a net_spec map to those of another.

A map is (axis, a, b): coordinate x of one blob is a x + b of the other, along the spatial axes
after `axis` (None if any will do). `a` and `b` have one number per spatial axis, or a single one if
the layers treat all axes alike; the identity is (None, 1, 0). `caffeformat.geometry` knows what
each layer does.
"""

from __future__ import annotations

import collections
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from caffeformat import InputError, geometry, to_proto
from caffeformat import layers as L
from caffeformat.geometry import Window, convolution_windows, extent, pooling_windows
from caffeformat.messages import LayerCall

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caffeformat import pb
    from caffeformat.messages import Top

    Map = tuple[
        Union[int, None], Union[float, NDArray[np.float64]], Union[float, NDArray[np.float64]]
    ]


# Layers whose tops and bottoms have the same coordinates
PASS_THROUGH_LAYERS = sorted({*geometry.SAME_SHAPE, "Eltwise"})


class UndefinedMapException(InputError, RuntimeError):
    """There is no map: no path joins the tops, or a layer on it does not keep coordinates."""


class AxisMismatchException(InputError):
    """Two maps begin at different axes."""


class CropException(InputError, AssertionError):
    """One top cannot be cropped to another: their scales differ, or no whole offset aligns them."""


def crop(top_from: Top, top_to: Top) -> Top:
    """Declare a Crop of `top_from` to the size of `top_to`, with the offset that aligns them.

    Raises `UndefinedMapException` if no path joins the tops, and `CropException` (pycaffe's
    `AssertionError`) if that offset is not a whole number of pixels inside `top_from`.
    """
    axis, scale, shift = coord_map_from_to(top_from, top_to)
    shifts = np.atleast_1d(shift)
    if np.any(scale != 1):
        raise CropException(f"scale mismatch on crop: expected 1, found {_words(scale)}")
    if np.any(shifts > 0):
        raise CropException(f"cannot crop negative offset: found {_words(-shifts)}")
    if np.any(shifts != np.round(shifts)):
        raise CropException(f"cannot crop noninteger offset: found {_words(-shifts)}")
    offset = [int(-value) for value in shifts]
    return L.Crop(top_from, top_to, crop_param={"axis": (axis or 1) + 1, "offset": offset})


def coord_map_from_to(top_from: Top, top_to: Top) -> Map:
    """Compute the map from coordinates of `top_from` to those of `top_to`.

    Raises `UndefinedMapException` unless a path of layers that keep coordinates joins them.
    """
    here, there = _ancestors(top_from), _ancestors(top_to)
    for top, up in there.items():
        if top in here:
            return _as_map(here[top].then(up.inverse()))
    raise UndefinedMapException(
        "the tops are not joined by layers that keep coordinates, so there is no map between them"
    )


def coord_map(fn: LayerCall) -> Map:
    """Compute the map from coordinates of a layer's bottom to those of its top.

    `fn` is the `fn` of a top.
    """
    found = _layer_map(fn)
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

    All but `axis` are arrays of one number per spatial axis, or of one number for all.
    """
    layer = _layer(fn)
    pooled = layer.type == "Pooling"
    windows = _pooling_windows(layer) if pooled else convolution_windows(layer)
    axis = 1 if pooled else layer.convolution_param.axis
    columns = zip(*[(window.stride, extent(window), window.pad) for window in windows])
    return (axis, *map(np.array, columns))


def crop_params(fn: LayerCall) -> tuple[int, NDArray[np.int64]]:
    """Return (axis, offsets) of a Crop."""
    param = _layer(fn).crop_param
    return param.axis, np.array(list(param.offset) or [0])


def _ancestors(top: Top) -> dict[Top, geometry.CoordMap]:
    """{top: map from coordinates of `top` to its} of `top` and what it is computed from."""
    found = {top: geometry.CoordMap(None, (Fraction(1),), (Fraction(0),))}
    waiting = collections.deque([top])
    while waiting:
        above = waiting.popleft()
        up = _layer_map(above.fn)
        if up is None:
            continue
        # A Crop's second bottom only gives a size.
        crops = above.fn.type_name == "Crop"
        for bottom in above.fn.inputs[:1] if crops else above.fn.inputs:
            if bottom not in found:
                try:
                    found[bottom] = found[above].then(up)
                except InputError as error:
                    raise AxisMismatchException(str(error)) from None
                waiting.append(bottom)
    return found


def _layer_map(fn: LayerCall) -> geometry.CoordMap | None:
    """The map from coordinates of a layer's tops to its bottom's; one number if its fields have."""
    if not fn.tops or not fn.inputs:
        return None
    layer = _layer(fn)
    found = geometry.layer_map(layer)
    if found is None or layer.type != "Pooling":
        return found
    count = len(_pooling_windows(layer))
    return found._replace(scale=found.scale[:count], shift=found.shift[:count])


def _pooling_windows(layer: pb.LayerParameter) -> list[Window]:
    """The windows that the layer's fields tell apart: one, unless height and width have fields."""
    param, windows = layer.pooling_param, pooling_windows(layer) or []
    pairs = any(
        param.HasField(f"{field}_{side}") for field in ("kernel", "stride", "pad") for side in "hw"
    )
    return windows if pairs else windows[:1]


def _as_map(found: geometry.CoordMap) -> Map:
    """Convert a `CoordMap`: pycaffe's axis is the one before the first spatial axis."""
    if found.axis is None:
        return None, 1, 0
    return found.axis - 1, np.array(found.scale, float), np.array(found.shift, float)


def _words(values: object) -> str:
    return ", ".join(f"{value:g}" for value in np.ravel(np.asarray(values, float)))


def _layer(fn: LayerCall) -> pb.LayerParameter:
    """Make the LayerParameter of a net_spec's function, without the layers below it."""
    bottom = LayerCall("Input", (), {}).tops[0]
    call = LayerCall(fn.type_name, [bottom] * len(fn.inputs), {**fn.params, "ntop": fn.ntop})
    return to_proto(call).layer[-1]
