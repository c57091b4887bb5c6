"""Builders of layers that only move values: join, split, crop, reshape, repeat."""

from __future__ import annotations

import torch

from caffeformat.geometry import axis_order, concat_axis

from .registry import Place, builds


@builds("Concat")
def concat(place: Place, *inputs: torch.Tensor) -> torch.Tensor:
    return torch.cat(inputs, concat_axis(place.layer, place.shapes[0]))


@builds("Slice")
def slice_(place: Place, x: torch.Tensor) -> list[torch.Tensor]:
    axis, tops = concat_axis(place.layer, place.shapes[0]), len(place.layer.top)
    points = list(place.layer.slice_param.slice_point)
    if not points:
        parts = x.chunk(tops, axis)
        return [parts[i] for i in range(tops)]
    ends = [*points, place.shapes[0][axis]]
    return [x.narrow(axis, start, end - start) for start, end in zip([0, *points], ends)]


@builds("Crop")
def crop(place: Place, x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    p = place.layer.crop_param
    first, axes = place.axis(p.axis), len(place.shapes[0])
    offsets = list(p.offset) if len(p.offset) > 1 else list(p.offset or [0]) * (axes - first)
    for axis, offset in enumerate(offsets, first):
        x = x.narrow(axis, offset, like.size(axis))
    return x


@builds("Flatten")
def flatten(place: Place, x: torch.Tensor) -> torch.Tensor:
    p = place.layer.flatten_param
    return x.flatten(p.axis, p.end_axis)


@builds("Reshape")
def reshape(place: Place, x: torch.Tensor) -> torch.Tensor:
    p, axes = place.layer.reshape_param, len(place.shapes[0])
    first = p.axis if p.axis >= 0 else axes + 1 + p.axis
    end = axes if p.num_axes == -1 else first + p.num_axes
    kept = [x.size(axis) for axis in range(first)]
    dims = [dim or x.size(first + i) for i, dim in enumerate(p.shape.dim)]
    return x.reshape([*kept, *dims, *(x.size(axis) for axis in range(end, axes))])


@builds("Permute")
def permute(place: Place, x: torch.Tensor) -> torch.Tensor:
    return x.permute(axis_order(place.layer, len(place.shapes[0])))


@builds("Tile")
def tile(place: Place, x: torch.Tensor) -> torch.Tensor:
    p = place.layer.tile_param
    return torch.cat([x] * p.tiles, place.axis(p.axis))
