"""Layers that only move values: join, cut, crop, reshape, repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffeformat.geometry import axis_order, concat_axis

from .registry import converts

if TYPE_CHECKING:
    from ..onnx_net import Layer
    from ..onnx_writer import Writer


@converts("Concat")
def concat(w: Writer, layer: Layer, *inputs: str) -> str:
    return w.add("Concat", *inputs, axis=concat_axis(layer.proto, layer.shapes[0]))


@converts("Slice")
def slice_(w: Writer, layer: Layer, x: str) -> list[str]:
    axis, tops = concat_axis(layer.proto, layer.shapes[0]), len(layer.proto.top)
    points, size = list(layer.proto.slice_param.slice_point), layer.shapes[0][axis]
    if tops == 1:
        return [w.add("Identity", x)]
    if points and axis >= 2:  # images may have another size
        bounds = [*map(w.integers, [0, *points]), w.sizes(x, axis)]
        return [w.slice(x, [axis], start, end) for start, end in zip(bounds, bounds[1:])]
    if not points:
        points = [size // tops * i for i in range(1, tops)]
    lengths = [end - start for start, end in zip([0, *points], [*points, size])]
    return w.add_many("Split", [x, w.integers(*lengths)], tops, axis=axis)


@converts("Crop")
def crop(w: Writer, layer: Layer, x: str, like: str) -> str:
    p, axes = layer.proto.crop_param, len(layer.shapes[0])
    cropped = range(layer.axis(p.axis), axes)
    offsets = list(p.offset) if len(p.offset) > 1 else list(p.offset or [0]) * len(cropped)
    starts = w.integers(*offsets)
    return w.slice(x, cropped, starts, w.add("Add", starts, w.sizes(like, *cropped)))


@converts("Flatten")
def flatten(w: Writer, layer: Layer, x: str) -> str:
    p = layer.proto.flatten_param
    first, last = layer.axis(p.axis), layer.axis(p.end_axis)
    return _reshaped(w, layer, x, first, [-1], last + 1)


@converts("Reshape")
def reshape(w: Writer, layer: Layer, x: str) -> str:
    p, axes = layer.proto.reshape_param, len(layer.shapes[0])
    first = p.axis if p.axis >= 0 else axes + 1 + p.axis
    return _reshaped(
        w, layer, x, first, list(p.shape.dim), axes if p.num_axes == -1 else first + p.num_axes
    )


def _reshaped(w: Writer, layer: Layer, x: str, first: int, dims: list[int], end: int) -> str:
    """`x` with `dims` instead of its axes from `first` to `end`; as in Caffe, 0 copies a size."""
    shape = [w.integers(*[0] * first, *dims)]
    if end < len(layer.shapes[0]):
        shape.append(w.sizes(x, *range(end, len(layer.shapes[0]))))
    return w.add("Reshape", x, w.join(*shape))


@converts("Permute")
def permute(w: Writer, layer: Layer, x: str) -> str:
    return w.add("Transpose", x, perm=axis_order(layer.proto, len(layer.shapes[0])))


@converts("Tile")
def tile(w: Writer, layer: Layer, x: str) -> str:
    p = layer.proto.tile_param
    return w.add("Concat", *[x] * p.tiles, axis=layer.axis(p.axis))
