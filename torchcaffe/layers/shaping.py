"""Layers that move values about without changing them."""

import torch

from caffeformat.shape_rules import concat_axis

from .base import Layer, ManualLayer, register


@register("Split")
class Split(ManualLayer):
    """Hands its bottom to several users, whose diffs it adds up. The net puts it in by itself.

    All tops share the bottom's memory.
    """

    tops = (1, None)

    def forward_blobs(self, bottoms, tops):
        for top in tops:
            top.set_data(bottoms[0].tensor())

    def backward_blobs(self, tops, propagate_down, bottoms):
        if propagate_down[0]:
            diffs = [top.gradient() for top in tops if top.has_gradient]
            bottoms[0].set_diff(sum(diffs[1:], diffs[0]) if diffs else bottoms[0].gradient())


@register("Concat")
class Concat(Layer):
    """Its bottoms one after another along `axis`."""

    bottoms = (1, None)

    def forward(self, bottoms, params):
        return [torch.cat(bottoms, concat_axis(self.proto, bottoms[0].shape))]


@register("Slice")
class Slice(Layer):
    """Parts of its bottom along `axis`, cut at `slice_point`s or equally large."""

    tops = (1, None)

    def forward(self, bottoms, params):
        axis = concat_axis(self.proto, bottoms[0].shape)
        return bottoms[0].split([shape[axis] for shape in self.fitted], axis)


@register("Crop")
class Crop(Layer):
    """Cuts the first bottom to the size of the second on all axes from `axis` on.

    `offset` is where to begin: one for all those axes, or one for each; 0 where there is none.
    """

    bottoms = (2, 2)
    label_bottoms = (1,)

    def setup(self, shapes):
        p = self.proto.crop_param
        self.axis = self.canonical_axis(p.axis, shapes[0])
        axes = len(shapes[0]) - self.axis
        self.offsets = list(p.offset) if len(p.offset) > 1 else list(p.offset or [0]) * axes
        return []

    def forward(self, bottoms, params):
        image = bottoms[0]
        for axis, offset in enumerate(self.offsets, self.axis):
            image = image.narrow(axis, offset, self.fitted[0][axis])
        return [image]


@register("Flatten")
class Flatten(Layer):
    """The axes from `axis` to `end_axis` as one."""

    def setup(self, shapes):
        p = self.proto.flatten_param
        first = self.canonical_axis(p.axis, shapes[0])
        if self.canonical_axis(p.end_axis, shapes[0], "end_axis") < first:
            raise self.error(f"end_axis ({p.end_axis}) comes before axis ({p.axis}).")
        return []

    def forward(self, bottoms, params):
        return [bottoms[0].reshape(self.fitted[0])]


@register("Reshape")
class Reshape(Layer):
    """Another shape for `num_axes` axes from `axis`: 0 copies a size, one -1 is inferred."""

    def forward(self, bottoms, params):
        return [bottoms[0].reshape(self.fitted[0])]


@register("Tile")
class Tile(Layer):
    """Its bottom `tiles` times over along `axis`."""

    def setup(self, shapes):
        p = self.proto.tile_param
        self.axis, self.tiles = self.canonical_axis(p.axis, shapes[0]), p.tiles
        if self.tiles < 1:
            raise self.error(f"tiles must be 1 or more, found {self.tiles}.")
        return []

    def forward(self, bottoms, params):
        return [torch.cat([bottoms[0]] * self.tiles, self.axis)]


@register("Silence")
class Silence(Layer):
    """Uses its bottoms up, so that they are not printed as outputs; their gradient is 0."""

    bottoms = (1, None)
    tops = (0, 0)

    def top_shapes(self, shapes):
        return []

    def forward(self, bottoms, params):
        return []
