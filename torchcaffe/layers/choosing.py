"""Layers that select or reduce along the batch or other axes: BatchReindex, Filter, Reduction."""

from __future__ import annotations

import math

import torch

from caffeformat import pb

from .base import Layer, Param, Shape, Shapes, Tensors, register


@register("BatchReindex")
class BatchReindex(Layer):
    """The items of the first bottom at the indices in the second, which may repeat."""

    bottoms = (2, 2)
    label_bottoms = (1,)
    least_axes = 1

    def check(self, shapes: Shapes) -> None:
        if len(shapes[1]) != 1:
            raise self.error(
                f"needs a second bottom of 1 axis; found the shape {tuple(shapes[1])}."
            )

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        x, chosen = bottoms
        index = chosen.long()
        self.require_index(index, len(x), chosen, self.proto.bottom[1])
        return [x.index_select(0, index)]


@register("Filter")
class Filter(Layer):
    """The items of its bottoms for which the last bottom (N values) is not 0.

    Before the first pass the tops have the shape of a full batch; where no item is left, that of
    an empty one.
    """

    bottoms = (2, None)
    tops = (1, None)
    least_axes = 1

    def setup(self, shapes: Shapes) -> list[Param]:
        self.label_bottoms = (len(shapes) - 1,)
        return []

    def check(self, shapes: Shapes) -> None:
        if len(self.proto.top) != len(shapes) - 1:
            raise self.error(f"needs {len(shapes) - 1} tops, one fewer than bottoms.")
        selector = tuple(shapes[-1])
        if math.prod(selector[1:]) != 1 or any(shape[0] != selector[0] for shape in shapes):
            raise self.error(
                "needs one value per item in its last bottom, and the same number of items in all "
                f"bottoms; found the shapes {[tuple(shape) for shape in shapes]}."
            )

    def top_shapes(self, shapes: Shapes) -> list[Shape]:
        return list(shapes[:-1])

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        chosen = bottoms[-1].view(-1).nonzero().view(-1)
        return [x.index_select(0, chosen) for x in bottoms[:-1]]


@register("Reduction")
class Reduction(Layer):
    """The sum, sum of magnitudes, sum of squares or mean, from `axis` on, times coeff."""

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.reduction_param
        self.axis = self.canonical_axis(p.axis, shapes[0])
        self.operation, self.coefficient = p.operation, p.coeff
        return []

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        (x,) = bottoms
        rows = x.flatten(self.axis)
        if self.operation == pb.ReductionParameter.ASUM:
            rows = rows.abs()
        elif self.operation == pb.ReductionParameter.SUMSQ:
            rows = rows.square()
        mean = self.operation == pb.ReductionParameter.MEAN
        return [(rows.mean(-1) if mean else torch.sum(rows, -1)) * self.coefficient]
