"""Normalization by the batches of several solvers as by one: synchronized batch normalization.

Each solver sums over its own values; one exchange in the forward pass makes mean and variance of
all of them (Chan, Golub and LeVeque 1979, "Updating Formulae and a Pairwise Algorithm for
Computing Sample Variances"), and one in the backward pass the two sums that the bottom's gradient
needs (Ioffe and Szegedy 2015, section 3). Gradients of factors and offsets are those of the own
values: solvers average them like all others.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from torchcaffe.core import add_up, gather


class SharedStatistics(NamedTuple):
    """Mean and variance per channel of `number` values per channel (a tensor of one number)."""

    mean: torch.Tensor
    variance: torch.Tensor
    number: torch.Tensor

    @property
    def unbiased(self) -> torch.Tensor:
        """The variance's unbiased estimate; 0 for a single value."""
        return self.variance * (self.number / (self.number - 1).clamp(min=1))


def shared_statistics(x: torch.Tensor) -> SharedStatistics:
    """Return the statistics of all solvers' `x` (N x C x ...); all solvers have to call this."""
    channels = x.shape[1]
    zeros = x.new_zeros(channels, dtype=torch.float32)
    own_mean, own_variance = torch.batch_norm_update_stats(x.detach(), zeros, zeros.clone(), 0.0)
    count = own_mean.new_full((1,), x.numel() // channels)
    parts = gather(torch.cat([own_mean, own_variance, count])).double()
    means, variances, counts = parts.split([channels, channels, 1], dim=1)
    total = counts.sum()
    mean = (means * counts).sum(0) / total
    variance = ((variances + (means - mean).square()) * counts).sum(0) / total
    return SharedStatistics(mean.float(), variance.float(), total.float())


def shared_norm(
    x: torch.Tensor,
    scale: torch.Tensor | None,
    bias: torch.Tensor | None,
    statistics: SharedStatistics,
    eps: float,
) -> torch.Tensor:
    """Normalize `x` by the statistics of all solvers' values, times `scale` plus `bias`.

    Gradients are those through the statistics, too, for which the backward pass has an exchange.
    """
    top: torch.Tensor = _SharedNorm.apply(x, scale, bias, *statistics, eps)
    return top


class _SharedNorm(torch.autograd.Function):
    """The normalization with its gradient."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        scale: torch.Tensor | None,
        bias: torch.Tensor | None,
        mean: torch.Tensor,
        variance: torch.Tensor,
        count: torch.Tensor,
        eps: float,
    ) -> torch.Tensor:
        ctx.save_for_backward(x, scale, mean, variance, count)
        ctx.eps = eps
        cudnn = torch.backends.cudnn.enabled
        return torch.batch_norm(x, scale, bias, mean, variance, False, 0.0, eps, cudnn)

    @staticmethod
    def backward(ctx: Any, *diffs: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, scale, mean, variance, count = ctx.saved_tensors
        diff, eps = diffs[0].contiguous(), ctx.eps
        # As if the statistics were stored ones: only the sums that are the parameters' gradients.
        _, products, sums = torch.ops.aten.native_batch_norm_backward(
            diff, x, scale, mean, variance, None, None, False, eps, [False, True, True]
        )
        bottom = None
        if ctx.needs_input_grad[0]:
            totals = torch.stack([products, sums])
            add_up([totals])
            bottom = _bottom_gradient(x, diff, scale, mean, variance + eps, totals / count)
        return bottom, *_wanted(ctx, products, sums), None, None, None, None


def _wanted(ctx: Any, *gradients: torch.Tensor) -> list[torch.Tensor | None]:
    """The gradients of scale and bias, None for what needs none."""
    return [g if needed else None for g, needed in zip(gradients, ctx.needs_input_grad[1:3])]


def _bottom_gradient(
    x: torch.Tensor,
    diff: torch.Tensor,
    scale: torch.Tensor | None,
    mean: torch.Tensor,
    spread: torch.Tensor,
    means: torch.Tensor,
) -> torch.Tensor:
    """scale / sqrt(spread) * (diff - mean(diff) - x_hat * mean(x_hat * diff)).

    `means` holds mean(x_hat * diff) and mean(diff) over all solvers' values.
    """
    shape = (1, -1, *[1] * (x.dim() - 2))
    inverse = spread.rsqrt()
    factor = inverse if scale is None else inverse * scale
    slope, offset = -factor * inverse * means[0], -factor * means[1]
    factor, slope, offset, mean = (v.view(shape) for v in (factor, slope, offset, mean))
    gradient = x - mean
    torch.addcmul(offset, gradient, slope, out=gradient)
    return gradient.addcmul_(diff, factor).to(x.dtype)
