"""Layers that pick or sum up along the batch or other axes: BatchReindex, Filter, Reduction."""

import math

import torch

from caffeformat import pb

from .base import Layer, register


@register("BatchReindex")
class BatchReindex(Layer):
    """The items of the first bottom that the second names, by index, perhaps repeatedly."""

    bottoms = (2, 2)
    label_bottoms = (1,)

    def check(self, shapes):
        if len(shapes[1]) != 1:
            raise self.error(f"needs its second bottom of 1 axis, found {tuple(shapes[1])}.")

    def forward(self, bottoms, params):
        x, chosen = bottoms
        index = chosen.long()
        self.require_index(index, len(x), chosen, self.proto.bottom[1])
        return [x.index_select(0, index)]


@register("Filter")
class Filter(Layer):
    """The items of its bottoms for which the last bottom (N values) is not 0.

    Before the first pass, and where none is left, the tops have the shape of one full batch and of
    no item.
    """

    bottoms = (2, None)
    tops = (1, None)

    def setup(self, shapes):
        self.label_bottoms = (len(shapes) - 1,)
        return []

    def check(self, shapes):
        if len(self.proto.top) != len(shapes) - 1:
            raise self.error(f"needs {len(shapes) - 1} tops, one less than bottoms.")
        selector = tuple(shapes[-1])
        if math.prod(selector[1:]) != 1 or any(shape[0] != selector[0] for shape in shapes):
            raise self.error(
                "needs one value an item as its last bottom, and as many items in all: found "
                f"{[tuple(shape) for shape in shapes]}."
            )

    def top_shapes(self, shapes):
        return list(shapes[:-1])

    def forward(self, bottoms, params):
        chosen = bottoms[-1].view(-1).nonzero().view(-1)
        return [x.index_select(0, chosen) for x in bottoms[:-1]]


@register("Reduction")
class Reduction(Layer):
    """The sum, sum of magnitudes or squares, or mean over `axis` and all behind it, times coeff."""

    def setup(self, shapes):
        p = self.proto.reduction_param
        self.axis = self.canonical_axis(p.axis, shapes[0])
        self.operation, self.coefficient = p.operation, p.coeff
        return []

    def forward(self, bottoms, params):
        (x,) = bottoms
        rows = x.reshape(*x.shape[: self.axis], -1)
        if self.operation == pb.ReductionParameter.ASUM:
            rows = rows.abs()
        elif self.operation == pb.ReductionParameter.SUMSQ:
            rows = rows.square()
        mean = self.operation == pb.ReductionParameter.MEAN
        return [(rows.mean(-1) if mean else torch.sum(rows, -1)) * self.coefficient]
