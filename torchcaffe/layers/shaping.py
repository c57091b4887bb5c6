"""Layers that move values about without changing them."""

import math

import torch

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

    def setup(self, shapes):
        p = self.proto.concat_param
        if p.HasField("axis") and p.HasField("concat_dim"):
            raise self.error("takes axis or the older concat_dim, not both.")
        axis = p.concat_dim if p.HasField("concat_dim") else p.axis
        self.axis = self.canonical_axis(axis, shapes[0])
        return []

    def check(self, shapes):
        def others(shape):
            return (*shape[: self.axis], None, *shape[self.axis + 1 :])

        for bottom, shape in zip(self.proto.bottom, shapes):
            if others(shape) != others(shapes[0]):
                raise self.error(
                    f"its bottoms may differ only along axis {self.axis}, but "
                    f'"{self.proto.bottom[0]}" is {tuple(shapes[0])} and "{bottom}" is '
                    f"{tuple(shape)}."
                )

    def top_shapes(self, shapes):
        top = list(shapes[0])
        top[self.axis] = sum(shape[self.axis] for shape in shapes)
        return [tuple(top)]

    def forward(self, bottoms, params):
        return [torch.cat(bottoms, self.axis)]


@register("Slice")
class Slice(Layer):
    """Parts of its bottom along `axis`, cut at `slice_point`s or equally large."""

    tops = (1, None)

    def setup(self, shapes):
        p = self.proto.slice_param
        if p.HasField("axis") and p.HasField("slice_dim"):
            raise self.error("takes axis or the older slice_dim, not both.")
        axis = p.slice_dim if p.HasField("slice_dim") else p.axis
        self.axis = self.canonical_axis(axis, shapes[0])
        self.points = list(p.slice_point)
        return []

    def _sizes(self, shape):
        size, parts = shape[self.axis], len(self.proto.top)
        if not self.points:
            return [size // parts] * parts
        edges = [0, *self.points, size]
        return [end - start for start, end in zip(edges, edges[1:])]

    def check(self, shapes):
        size, parts = shapes[0][self.axis], len(self.proto.top)
        if self.points:
            sizes = self._sizes(shapes[0])
            if len(sizes) != parts or min(sizes) < 1:
                raise self.error(
                    f"{parts} tops need {parts - 1} rising slice_points within its bottom of shape "
                    f"{tuple(shapes[0])}, axis {self.axis}; found {self.points}."
                )
        elif size % parts:
            raise self.error(
                f"{parts} tops must divide axis {self.axis} of its bottom, shape "
                f"{tuple(shapes[0])}, equally; or give slice_points."
            )

    def top_shapes(self, shapes):
        shape = shapes[0]
        before, after = shape[: self.axis], shape[self.axis + 1 :]
        return [(*before, size, *after) for size in self._sizes(shape)]

    def forward(self, bottoms, params):
        return bottoms[0].split(self._sizes(bottoms[0].shape), self.axis)


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
        if len(p.offset) not in (0, 1, axes):
            raise self.error(
                f"needs one offset, or one for each of the {axes} axes from {self.axis} on; found "
                f"{len(p.offset)}."
            )
        self.offsets = list(p.offset) if len(p.offset) == axes else list(p.offset or [0]) * axes
        return []

    def check(self, shapes):
        image, reference = (tuple(shape) for shape in shapes)
        fits = len(image) == len(reference) and all(
            offset + wanted <= size
            for offset, wanted, size in zip(
                self.offsets, reference[self.axis :], image[self.axis :]
            )
        )
        if not fits:
            raise self.error(
                f'cannot cut "{self.proto.bottom[0]}" of shape {image} to '
                f'"{self.proto.bottom[1]}" of shape {reference} from axis {self.axis} with offset '
                f"{self.offsets}: it would reach past the end."
            )

    def top_shapes(self, shapes):
        return [(*shapes[0][: self.axis], *shapes[1][self.axis :])]

    def forward(self, bottoms, params):
        image, reference = bottoms
        for axis, offset in enumerate(self.offsets, self.axis):
            image = image.narrow(axis, offset, reference.shape[axis])
        return [image]


@register("Flatten")
class Flatten(Layer):
    """The axes from `axis` to `end_axis` as one."""

    def setup(self, shapes):
        p = self.proto.flatten_param
        self.axis = self.canonical_axis(p.axis, shapes[0])
        self.end = self.canonical_axis(p.end_axis, shapes[0], "end_axis")
        if self.end < self.axis:
            raise self.error(f"end_axis ({p.end_axis}) comes before axis ({p.axis}).")
        return []

    def top_shapes(self, shapes):
        shape = shapes[0]
        together = math.prod(shape[self.axis : self.end + 1])
        return [(*shape[: self.axis], together, *shape[self.end + 1 :])]

    def forward(self, bottoms, params):
        return [bottoms[0].flatten(self.axis, self.end)]


@register("Reshape")
class Reshape(Layer):
    """Another shape for `num_axes` axes from `axis`: 0 copies a size, one -1 is inferred."""

    def setup(self, shapes):
        p = self.proto.reshape_param
        shape = shapes[0]
        self.wanted = list(p.shape.dim)
        # -1 stands for behind the last axis, so that axes of 1 can be added there.
        self.start = p.axis if p.axis >= 0 else len(shape) + p.axis + 1
        self.stop = len(shape) if p.num_axes == -1 else self.start + p.num_axes
        if not 0 <= self.start <= self.stop <= len(shape):
            raise self.error(
                f"axis {p.axis} with num_axes {p.num_axes} is not within its bottom of shape "
                f"{tuple(shape)}."
            )
        if self.wanted.count(-1) > 1 or min(self.wanted, default=0) < -1:
            raise self.error(
                f"shape may hold one -1 at most and nothing below; found {self.wanted}."
            )
        return []

    def check(self, shapes):
        top = self.top_shapes(shapes)[0]
        if math.prod(top) != math.prod(shapes[0]):
            raise self.error(
                f"cannot bring its bottom of shape {tuple(shapes[0])} into shape {top}: another "
                "number of values."
            )

    def top_shapes(self, shapes):
        shape = shapes[0]
        inner = []
        for index, dim in enumerate(self.wanted):
            if dim == 0 and self.start + index >= len(shape):
                raise self.error(
                    f"shape copies axis {self.start + index}, but its bottom has shape "
                    f"{tuple(shape)}."
                )
            inner.append(shape[self.start + index] if dim == 0 else dim)
        if -1 in inner:
            known = math.prod(dim for dim in inner if dim != -1)
            total = math.prod(shape[self.start : self.stop])
            if known == 0 or total % known:
                raise self.error(
                    f"cannot infer the -1 of shape {self.wanted} for its bottom of shape "
                    f"{tuple(shape)}."
                )
            inner[inner.index(-1)] = total // known
        return [(*shape[: self.start], *inner, *shape[self.stop :])]

    def forward(self, bottoms, params):
        (x,) = bottoms
        return [x.reshape(self.top_shapes([x.shape])[0])]


@register("Tile")
class Tile(Layer):
    """Its bottom `tiles` times over along `axis`."""

    def setup(self, shapes):
        p = self.proto.tile_param
        self.axis, self.tiles = self.canonical_axis(p.axis, shapes[0]), p.tiles
        if self.tiles < 1:
            raise self.error(f"tiles must be 1 or more, found {self.tiles}.")
        return []

    def top_shapes(self, shapes):
        top = list(shapes[0])
        top[self.axis] *= self.tiles
        return [tuple(top)]

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
