"""The layer SPP: a spatial pyramid of poolings (He et al. 2014)."""

from __future__ import annotations

import torch

from caffeformat import pb

from .base import Layer, Param, Shapes, Tensors, register
from .pooling import average_pool, max_pool


@register("SPP")
class SPP(Layer):
    """N x C x H x W -> N x (C times 1 + 4 + 16 + ...), for any H and W.

    Level l pools over 2^l x 2^l bins; with a single level the top is the pooled N x C x 1 x 1.
    """

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.spp_param
        if p.pool == pb.SPPParameter.STOCHASTIC:
            raise self.error("pool: STOCHASTIC is not available in a pyramid; use MAX or AVE.")
        self.height, self.maximum = p.pyramid_height, p.pool == pb.SPPParameter.MAX
        return []

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        (x,) = bottoms
        levels = []
        for level in range(self.height):
            bins = 2**level
            kernel = tuple(-(-size // bins) for size in x.shape[2:])
            pad = tuple((k * bins - size + 1) // 2 for k, size in zip(kernel, x.shape[2:]))
            sizes = (bins, bins)
            if self.maximum:
                levels += max_pool(x, kernel, kernel, pad, sizes)
            else:
                levels.append(average_pool(x, kernel, kernel, pad, sizes))
        if self.height == 1:
            return levels
        return [torch.cat([level.flatten(1) for level in levels], 1)]
