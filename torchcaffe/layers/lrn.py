"""The layer LRN: local response normalization (Krizhevsky et al. 2012)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from caffeformat import pb

from .base import Layer, Param, Shapes, Tensors, register


@register("LRN")
class LRN(Layer):
    """x / (k + alpha/n * sum of x^2 over n neighbours) ^ beta, for N x C x H x W.

    Neighbours are n channels, or an n x n area within a channel; then k is always 1 and alpha is
    divided by n^2.
    """

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.lrn_param
        self.size, self.alpha, self.beta, self.k = p.local_size, p.alpha, p.beta, p.k
        self.across = p.norm_region == pb.LRNParameter.ACROSS_CHANNELS
        if self.size % 2 == 0:
            raise self.error(f"local_size is {self.size}; expected an odd number.")
        return []

    def check(self, shapes: Shapes) -> None:
        if len(shapes[0]) != 4:
            raise self.error(f"needs a bottom of 4 axes; found shape {tuple(shapes[0])}.")

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        (x,) = bottoms
        if self.across:
            return [_AcrossChannels.apply(x, self.size, self.alpha / self.size, self.beta, self.k)]
        mean = F.avg_pool2d(x.square(), self.size, 1, self.size // 2)
        return [x * (1 + self.alpha * mean).pow(-self.beta)]


class _AcrossChannels(torch.autograd.Function):
    """y = x s^-beta with s = k + a (sum of x^2 over the window), and its gradient.

    The gradient is dx = dy s^-beta - 2 a beta x (sum over the window of dy y / s).
    """

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, size: int, a: float, beta: float, k: float
    ) -> torch.Tensor:
        scale = _channel_sums(x.square(), size).mul_(a).add_(k)
        power = _negative_power(scale, beta)
        ctx.save_for_backward(x, scale, power)
        ctx.size, ctx.factor = size, 2 * a * beta
        return x * power

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor) -> tuple[torch.Tensor, None, None, None, None]:
        x, scale, power = ctx.saved_tensors
        ratio = dy * x
        ratio.mul_(power).div_(scale)
        through_scale = _channel_sums(ratio, ctx.size).mul_(x).mul_(ctx.factor)
        return (dy * power).sub_(through_scale), None, None, None, None


def _channel_sums(x: torch.Tensor, size: int) -> torch.Tensor:
    """Sum, for each channel, the `size` channels around it (fewer at the ends)."""
    sums = x.clone(memory_format=torch.contiguous_format)
    for distance in range(1, min(size // 2, x.shape[1] - 1) + 1):
        sums[:, distance:] += x[:, :-distance]
        sums[:, :-distance] += x[:, distance:]
    return sums


def _negative_power(scale: torch.Tensor, beta: float) -> torch.Tensor:
    if beta == 0.75:  # the usual value; roots are far faster than a power
        root = scale.rsqrt()
        return root * root.sqrt()
    return scale.pow(-beta)
