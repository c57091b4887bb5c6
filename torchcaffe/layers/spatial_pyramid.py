"""SPP: a pyramid of poolings (He et al. 2014)."""

import torch

from caffeformat import pb

from .base import Layer, register
from .pooling import average_pool, max_pool


@register("SPP")
class SPP(Layer):
    """N x C x H x W -> N x (C times 1 + 4 + 16 + ...), whatever H and W are.

    Level l pools over 2^l x 2^l bins; with one level the top is the pooled N x C x 1 x 1.
    """

    def setup(self, shapes):
        p = self.proto.spp_param
        if p.pool == pb.SPPParameter.STOCHASTIC:
            raise self.error("pool: STOCHASTIC is not available in a pyramid; use MAX or AVE.")
        self.height, self.maximum = p.pyramid_height, p.pool == pb.SPPParameter.MAX
        return []

    def forward(self, bottoms, params):
        (x,) = bottoms
        levels = []
        for level in range(self.height):
            bins = 2**level
            kernel = [-(-size // bins) for size in x.shape[2:]]
            pad = [(k * bins - size + 1) // 2 for k, size in zip(kernel, x.shape[2:])]
            sizes = [bins, bins]
            if self.maximum:
                levels += max_pool(x, kernel, kernel, pad, sizes)
            else:
                levels.append(average_pool(x, kernel, kernel, pad, sizes))
        if self.height == 1:
            return levels
        return [torch.cat([level.flatten(1) for level in levels], 1)]
