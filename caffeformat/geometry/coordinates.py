"""Where the pixels of one blob lie in another: coordinate maps, crop offsets, receptive fields.

A convolution with kernel k, stride s and padding p looks, at its output x, at a window of its input
centred on s x + (k - 1) / 2 - p: an affine map per axis. Maps compose along a path through the
net, so the offset that aligns two blobs at a Crop follows from the net itself. (Coordinate maps for
fully convolutional networks: Long, Shelhamer, Darrell, 2015; here in exact fractions.)
"""

from __future__ import annotations

import collections
import math
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from caffeformat.errors import InputError
from caffeformat.messages import computes_crop_offsets, nearest

from .shape_rules import SAME_SHAPE, concat_axis
from .shapes import infer_shapes
from .windows import (
    Window,
    convolution_windows,
    extent,
    interpolation,
    pooling_windows,
    upsampling_scale,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from caffeformat.messages import pb

    # A blob's name and the number of the layer that made this version of it (-1: none)
    Version = tuple[str, int]


_T = TypeVar("_T")

__all__ = [
    "CoordMap",
    "ReceptiveField",
    "coord_map",
    "crop_offset",
    "infer_shapes",
    "layer_map",
    "receptive_fields",
]


class CoordMap(NamedTuple):
    """Coordinates y = scale * x + shift, one pair of `Fraction`s per spatial axis.

    Layers that treat all axes alike have one pair for all of them.
    """

    # The first spatial axis, or None if any will do
    axis: int | None
    scale: tuple[Fraction, ...]
    shift: tuple[Fraction, ...]

    def then(self, other: CoordMap) -> CoordMap:
        """The map that applies this one first and `other` next."""
        if None not in (self.axis, other.axis) and self.axis != other.axis:
            raise InputError(f"spatial axes begin at {self.axis} here and at {other.axis} there")
        axis = self.axis if other.axis is None else other.axis
        count = max(len(self.scale), len(other.scale))
        (scale, shift), (outer, add) = self._spread(count), other._spread(count)
        return CoordMap(
            axis,
            tuple(b * a for a, b in zip(scale, outer)),
            tuple(b * a + c for a, b, c in zip(shift, outer, add)),
        )

    def inverse(self) -> CoordMap:
        """The map back."""
        return CoordMap(
            self.axis,
            tuple(1 / a for a in self.scale),
            tuple(-b / a for a, b in zip(self.scale, self.shift)),
        )

    def _spread(self, count: int) -> tuple[list[Fraction], list[Fraction]]:
        return _each(self.scale, count), _each(self.shift, count)


IDENTITY = CoordMap(None, (Fraction(1),), (Fraction(0),))
_CONVOLUTIONS = ("Convolution", "Deconvolution", "Im2col")


def layer_map(layer: pb.LayerParameter) -> CoordMap | None:
    """The `CoordMap` from coordinates of the tops of `layer` to those of its (first) bottom.

    None for layers that do not preserve coordinates, such as inner products, global pooling and
    Python layers.
    """
    if layer.type in SAME_SHAPE or layer.type == "Eltwise":
        return IDENTITY
    if layer.type in ("Concat", "Slice"):
        # Along a spatial axis they would shift; FCNs join and cut channels.
        return IDENTITY if concat_axis(layer, (1,) * 4) < 2 else None
    if layer.type == "Crop":
        shift = tuple(Fraction(offset) for offset in _crop_offsets(layer))
        return CoordMap(2, (Fraction(1),) * len(shift), shift)
    if layer.type == "Interp":
        return _interpolation_map(layer)
    if layer.type == "Upsample":
        scale = upsampling_scale(layer)
        if scale is None:
            return None
        # It undoes a Pooling whose windows lie side by side.
        return _window_map(2, [Window(s, s, 0, 1) for s in scale]).inverse()
    if layer.type == "Pooling":
        windows = pooling_windows(layer)
        return None if windows is None else _window_map(2, windows)
    if layer.type in _CONVOLUTIONS:
        forward = _window_map(layer.convolution_param.axis + 1, convolution_windows(layer))
        return forward.inverse() if layer.type == "Deconvolution" else forward
    return None


def coord_map(net: pb.NetParameter, from_blob: str, to_blob: str) -> CoordMap:
    """The `CoordMap` from coordinates of `from_blob` to those of `to_blob` in a filtered net.

    Both are traced back to a blob from which they are computed. Raises `InputError` if a blob is
    missing or no path preserves the coordinates.
    """
    return _map_between(net.layer, from_blob, to_blob)


def _map_between(layers: Iterable[pb.LayerParameter], from_blob: str, to_blob: str) -> CoordMap:
    graph = _Graph(layers)
    here, there = graph.ancestors(from_blob), graph.ancestors(to_blob)
    for node, up in here.items():
        if node in there:
            return up.then(there[node].inverse())
    raise InputError(
        f'blobs "{from_blob}" and "{to_blob}": no path of layers that preserve '
        "coordinates joins them"
    )


@computes_crop_offsets
def crop_offset(net: pb.NetParameter, crop_layer: str | int) -> int | tuple[int, ...]:
    """The offset that aligns the two bottoms of a Crop layer: an int, or a tuple if axes differ.

    `crop_layer` is the layer's name or, where several have one name, its index in `net.layer`.
    Raises `InputError` if the blobs' pixels differ in size, or if aligning them would need an
    offset between pixels or before the start of the larger blob.
    """
    place = _crop_place(net, crop_layer) if isinstance(crop_layer, str) else crop_layer
    layer = net.layer[place]
    if len(layer.bottom) != 2:
        raise InputError(f'layer "{layer.name}": has {len(layer.bottom)} bottoms; expected two')
    # Only what comes before, because blobs may be changed in place later.
    found = _map_between(net.layer[:place], layer.bottom[1], layer.bottom[0])
    where = f'layer "{layer.name}": "{layer.bottom[1]}" in "{layer.bottom[0]}"'
    if any(scale != 1 for scale in found.scale):
        scales = ", ".join(f"{float(scale):g}" for scale in found.scale)
        raise InputError(
            f"{where} is scaled by {scales}; a Crop can only align blobs of equal scale"
        )
    # Axes before the first cropped one are not cropped, wherever the smaller blob lies on them.
    first = _crop_axis(layer)
    shifts = list(found.shift) if first <= 2 else _each(found.shift, 2)[first - 2 :]
    for shift in shifts:
        if shift < 0 or shift.denominator != 1:
            raise InputError(
                f"{where} begins at {float(shift):g}; expected a whole number of 0 or more"
            )
    offsets = [int(shift) for shift in shifts]
    if first < 2:
        offsets = [0] * (2 - first) + _each(offsets, 2)
    return offsets[0] if len(set(offsets)) == 1 else tuple(offsets)


def _crop_place(net: pb.NetParameter, name: str) -> int:
    """The index in `net.layer` of the one Crop layer called `name`."""
    crops = [(number, layer) for number, layer in enumerate(net.layer) if layer.type == "Crop"]
    named = [(number, layer) for number, layer in crops if layer.name == name]
    if not named:
        names = [layer.name for _, layer in crops]
        raise InputError(
            f'no Crop layer "{name}".{nearest(name, names)} '
            f"Crop layers are: {', '.join(dict.fromkeys(names)) or 'none'}"
        )
    if len(named) > 1:
        tops = ", ".join(f'{number} (top "{layer.top[0]}")' for number, layer in named)
        raise InputError(
            f'{len(named)} Crop layers are called "{name}"; give the index of one in the net: '
            f"{tops}"
        )
    return named[0][0]


def _crop_axis(layer: pb.LayerParameter) -> int:
    axis = layer.crop_param.axis
    return axis + 4 if axis < 0 else axis


def _crop_offsets(layer: pb.LayerParameter) -> list[int]:
    """The spatial offsets of a Crop layer, for any `axis` (4 axes are assumed unless it is 2)."""
    offsets, first = list(layer.crop_param.offset) or [0], _crop_axis(layer)
    if first == 2:
        return offsets
    if not 0 <= first < 4:
        raise InputError(f'layer "{layer.name}": cannot crop from axis {first} on')
    offsets = _each(offsets, 4 - first)
    return [offsets[axis - first] if axis >= first else 0 for axis in (2, 3)]


def _each(values: Sequence[_T], count: int) -> list[_T]:
    """One value per axis, of which there are `count`."""
    if len(values) not in (1, count):
        raise InputError(
            f"{len(values)} values for {count} spatial axes; expected one, or one per axis"
        )
    return list(values) * count if len(values) == 1 else list(values)


class ReceptiveField(NamedTuple):
    """The part of the net's input that a value of a blob depends on; one number per axis."""

    # Of the window, in pixels; the largest over all paths
    size: tuple[int, ...]
    # Between the windows of neighbouring values
    stride: tuple[Fraction, ...]
    # Of the first window
    center: tuple[Fraction, ...]


_INPUT_FIELD = ReceptiveField((1,), (Fraction(1),), (Fraction(0),))


def receptive_fields(net: pb.NetParameter) -> dict[str, ReceptiveField]:
    """Blob name -> `ReceptiveField` for the blobs that preserve the input's coordinates.

    Where paths from several inputs meet, stride and center are those along the first one.
    """
    fields: dict[str, ReceptiveField | None] = {}
    made = {top for layer in net.layer for top in layer.top}
    for layer in net.layer:
        if not layer.bottom:
            fields.update((top, _INPUT_FIELD) for top in layer.top)
            continue
        up = layer_map(layer)
        for bottom in layer.bottom:
            # Blobs that no layer makes are inputs as well.
            fields.setdefault(bottom, None if bottom in made else _INPUT_FIELD)
        sources = layer.bottom[:1] if layer.type == "Crop" else layer.bottom
        found = [fields[bottom] for bottom in sources]
        seen = [field for field in found if field is not None]
        if up is None or not seen:
            fields.update((top, None) for top in layer.top)
            continue
        fields.update((top, _field_above(layer, up, seen)) for top in layer.top)
    return {blob: field for blob, field in fields.items() if field is not None}


def _field_above(
    layer: pb.LayerParameter, up: CoordMap, seen: Sequence[ReceptiveField]
) -> ReceptiveField:
    first = seen[0]
    placed = up.then(CoordMap(up.axis, first.stride, first.center))
    # Some paths distinguish the axes, others do not.
    count = max(len(placed.scale), *(len(field.size) for field in seen))
    sizes = []
    for axis, reach in enumerate(_reach(layer, count)):
        largest = max(_each(field.size, count)[axis] for field in seen)
        step = max(_each(field.stride, count)[axis] for field in seen)
        sizes.append(math.ceil(largest + (reach - 1) * step))
    scale, shift = _each(placed.scale, count), _each(placed.shift, count)
    return ReceptiveField(tuple(sizes), tuple(scale), tuple(shift))


def _reach(layer: pb.LayerParameter, count: int) -> list[int]:
    """How many values of its bottom a layer's output depends on along each axis."""
    if layer.type == "Pooling":
        reach = [window.kernel for window in pooling_windows(layer) or ()]
    elif layer.type == "Deconvolution":
        reach = [-(-extent(window) // window.stride) for window in convolution_windows(layer)]
    elif layer.type == "Interp":
        reach = [2 if interpolation(layer).zoom > 1 else 1]  # the neighbours it lies between
    elif layer.type in _CONVOLUTIONS:
        reach = [extent(window) for window in convolution_windows(layer)]
    else:
        reach = [1]
    return _each(reach, count)


def _window_map(axis: int, windows: Sequence[Window]) -> CoordMap:
    return CoordMap(
        axis,
        tuple(Fraction(window.stride) for window in windows),
        tuple(Fraction(extent(window) - 1, 2) - window.pad for window in windows),
    )


def _interpolation_map(layer: pb.LayerParameter) -> CoordMap | None:
    """Corners map to corners: shrink / zoom times the coordinate, from the cropped corner.

    None if height and width are fixed, because the scale then depends on the bottom's size.
    """
    found = interpolation(layer)
    if found.sizes is not None:
        return None
    return CoordMap(2, (Fraction(found.shrink, found.zoom),), (Fraction(found.begin),))


class _Graph:
    """Which version of which blob is computed from which; in-place layers make new versions."""

    def __init__(self, layers: Iterable[pb.LayerParameter]) -> None:
        self._bottoms: dict[Version, tuple[pb.LayerParameter, list[Version]]] = {}
        self._last: dict[str, Version] = {}
        for number, layer in enumerate(layers):
            bottoms = [self._last.setdefault(blob, (blob, -1)) for blob in layer.bottom]
            for top in layer.top:
                self._bottoms[top, number] = layer, bottoms
            self._last.update((top, (top, number)) for top in layer.top)

    def ancestors(self, blob: str) -> dict[Version, CoordMap]:
        """{version: map from `blob` to it} of `blob` and all its sources, nearest first."""
        if blob not in self._last:
            raise InputError(f'no blob "{blob}" in the net.{nearest(blob, self._last)}')
        start = self._last[blob]
        found, waiting = {start: IDENTITY}, collections.deque([start])
        while waiting:
            node = waiting.popleft()
            if node not in self._bottoms:
                continue
            layer, bottoms = self._bottoms[node]
            up = layer_map(layer)
            if up is None:
                continue
            # A Crop's second bottom only gives a size.
            for bottom in bottoms[:1] if layer.type == "Crop" else bottoms:
                if bottom not in found:
                    found[bottom] = found[node].then(up)
                    waiting.append(bottom)
        return found
