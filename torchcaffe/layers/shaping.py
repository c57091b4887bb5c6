"""Layers that move values without changing them: Concat, Slice, Crop, Reshape and others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from caffeformat.geometry import concat_axis

from .base import Layer, ManualLayer, Param, Shape, Shapes, Tensors, register

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchcaffe.core import Blob


@register("Split")
class Split(ManualLayer):
    """Passes its bottom on to several layers and adds up their diffs; the net inserts it by itself.

    All tops share the bottom's memory.
    """

    tops = (1, None)
    is_repeatable = True

    def forward_blobs(self, bottoms: Sequence[Blob], tops: Sequence[Blob]) -> None:
        for top in tops:
            top.set_data(bottoms[0].tensor())

    def backward_blobs(
        self, tops: Sequence[Blob], propagate_down: Sequence[bool], bottoms: Sequence[Blob]
    ) -> None:
        if propagate_down[0]:
            diffs = [top.gradient() for top in tops if top.has_gradient]
            if diffs:  # memory of its own, also if there is only one
                bottoms[0].set_diff(sum(diffs[1:], diffs[0]) if diffs[1:] else diffs[0].clone())


@register("Concat")
class Concat(Layer):
    """Joins its bottoms along `axis`."""

    arithmetic = "any"
    bottoms = (1, None)
    output_is_free = inputs_are_free = True

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        return [torch.cat(list(bottoms), concat_axis(self.proto, bottoms[0].shape))]


@register("Slice")
class Slice(Layer):
    """Splits its bottom along `axis`, at the `slice_point`s or into equal parts."""

    arithmetic = "any"
    tops = (1, None)

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        axis = concat_axis(self.proto, bottoms[0].shape)
        return bottoms[0].split([shape[axis] for shape in self.fitted], axis)


@register("Crop")
class Crop(Layer):
    """Crops the first bottom to the size of the second on all axes from `axis` on.

    `offset` is where the crop begins: one number for all those axes or one per axis (default: 0).
    """

    arithmetic = "any"
    bottoms = (2, 2)
    label_bottoms = (1,)
    inputs_are_free = is_cheap = True

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.crop_param
        self.axis = self.canonical_axis(p.axis, shapes[0])
        axes = len(shapes[0]) - self.axis
        self.offsets = list(p.offset) if len(p.offset) > 1 else list(p.offset or [0]) * axes
        return []

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        image = bottoms[0]
        for axis, offset in enumerate(self.offsets, self.axis):
            image = image.narrow(axis, offset, self.fitted[0][axis])
        return [image]


@register("Flatten")
class Flatten(Layer):
    """Merges the axes from `axis` to `end_axis` into one."""

    arithmetic = "any"

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.flatten_param
        first = self.canonical_axis(p.axis, shapes[0])
        if self.canonical_axis(p.end_axis, shapes[0], "end_axis") < first:
            raise self.error(f"end_axis ({p.end_axis}) is before axis ({p.axis}).")
        return []

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        return [bottoms[0].reshape(self.fitted[0])]


@register("Reshape")
class Reshape(Layer):
    """Reshapes `num_axes` axes from `axis` on: 0 copies a size, a single -1 is inferred."""

    arithmetic = "any"

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        return [bottoms[0].reshape(self.fitted[0])]


@register("Tile")
class Tile(Layer):
    """Repeats its bottom `tiles` times along `axis`."""

    arithmetic = "any"

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.tile_param
        self.axis, self.tiles = self.canonical_axis(p.axis, shapes[0]), p.tiles
        if self.tiles < 1:
            raise self.error(f"tiles is {self.tiles}; expected 1 or more.")
        return []

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        return [torch.cat([bottoms[0]] * self.tiles, self.axis)]


@register("Silence")
class Silence(Layer):
    """Consumes its bottoms, so that they are not printed as outputs; their gradient is 0."""

    arithmetic = "any"
    bottoms = (1, None)
    tops = (0, 0)

    def top_shapes(self, shapes: Shapes) -> list[Shape]:
        return []

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        return []
