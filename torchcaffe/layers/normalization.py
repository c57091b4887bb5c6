"""Layers that normalize to mean 0 and variance 1: BatchNorm and MVN."""

from __future__ import annotations

import torch

from caffeformat import pb
from torchcaffe.core import sync_batch_norm

from .base import Layer, Param, Shape, Shapes, Tensors, register
from .shared_norm import SharedStatistics, shared_norm, shared_statistics


def batch_norm(
    x: torch.Tensor,
    scale: torch.Tensor | None,
    bias: torch.Tensor | None,
    mean: torch.Tensor,
    variance: torch.Tensor,
    eps: float,
    *,
    stored: bool,
) -> torch.Tensor:
    """Normalize `x` (N x C x ...) by mean and variance per channel, times `scale` plus `bias`.

    Unless these are `stored` statistics, the batch's own are used, and its mean and unbiased
    variance are left in `mean` and `variance`: that is torch's momentum of 1.
    """
    cudnn = torch.backends.cudnn.enabled
    return torch.batch_norm(x, scale, bias, mean, variance, not stored, 1.0, eps, cudnn)


class BatchStatistics:
    """How a layer normalizes a batch by statistics of its own, in phase TRAIN.

    That batch is the solver's or, with `set_sync_batch_norm`, that of all solvers together.
    """

    def __init__(self, phase: int) -> None:
        self._is_shared = phase == pb.TRAIN and sync_batch_norm()
        self._last: SharedStatistics | None = None

    def normalize(
        self,
        x: torch.Tensor,
        scale: torch.Tensor | None,
        bias: torch.Tensor | None,
        eps: float,
        *,
        again: bool,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Normalize `x` (N x C x ...), times `scale` plus `bias` per channel.

        Returns the top and, per channel, the mean, the variance and its unbiased estimate (0 for a
        single value). `again`: the batch is that of the last call.
        """
        if self._is_shared:
            dtype, x = x.dtype, x.float()
            if self._last is None or not again:
                self._last = shared_statistics(x)
            top = shared_norm(x, scale, bias, self._last, eps)
            return top.to(dtype), self._last.mean, self._last.variance, self._last.unbiased
        # Zeros, not uninitialized memory: torch multiplies it by 0, and 0 times NaN is NaN.
        kind = torch.promote_types(x.dtype, torch.float32)  # float32 for halves, too
        mean, unbiased = torch.zeros(2, x.shape[1], device=x.device, dtype=kind)
        top = batch_norm(x, scale, bias, mean, unbiased, eps, stored=False)
        count = x.numel() // x.shape[1]
        if count == 1:  # the unbiased variance of one value is 0 / 0
            unbiased = torch.zeros_like(unbiased)  # torch keeps the other one for its backward
        return top, mean, unbiased * ((count - 1) / count), unbiased


@register("BatchNorm")
class BatchNorm(Layer):
    """(x - mean) / sqrt(variance + eps) for each channel (Ioffe and Szegedy 2015).

    TRAIN uses the batch's statistics and keeps decayed sums in three blobs: means, variances
    (unbiased) and the weight by which both are divided. TEST uses those sums; `use_global_stats`
    overrides which are used. A weight of 0 stands for mean and variance 0.
    """

    output_is_free = True
    arithmetic = "any"

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.batch_norm_param
        self.eps, self.decay = p.eps, p.moving_average_fraction
        self.stored = self.phase == pb.TEST
        if p.HasField("use_global_stats"):
            self.stored = p.use_global_stats
        for spec in self.proto.param:
            if spec.lr_mult != 0:
                raise self.error(
                    "its three blobs are statistics and not learned: every param needs lr_mult: 0, "
                    f"but one has {spec.lr_mult:g}."
                )
        self.channels = self._channels(shapes[0])
        self.batch = BatchStatistics(self.phase)
        return [Param(shape, learned=False) for shape in ((self.channels,), (self.channels,), (1,))]

    @staticmethod
    def _channels(shape: Shape) -> int:
        return 1 if len(shape) == 1 else shape[1]

    def check(self, shapes: Shapes) -> None:
        if self._channels(shapes[0]) != self.channels:
            raise self.misfit(f"its statistics are for {self.channels} channels", shapes)

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        return [self.scaled(bottoms[0], params)]

    def scaled(
        self,
        x: torch.Tensor,
        params: Tensors,
        scale: torch.Tensor | None = None,
        bias: torch.Tensor | None = None,
        *,
        remember: bool = True,
    ) -> torch.Tensor:
        """Compute the top times `scale` plus `bias` (one number per channel each) in one step.

        Without `remember` the stored statistics stay as they are.
        """
        shape = x.shape
        if x.dim() == 1:
            x = x[:, None]
        if self.stored:
            means, variances, weight = (param.detach() for param in params)
            # A comparison and not an `if`, which on a GPU would have to wait for the number.
            factor = torch.where(weight == 0, weight, 1 / weight)
            mean, variance = torch._foreach_mul([means, variances], factor.view(()))
            return batch_norm(x, scale, bias, mean, variance, self.eps, stored=True).view(shape)
        again = self.repeats or not remember
        top, mean, _, unbiased = self.batch.normalize(x, scale, bias, self.eps, again=again)
        if not again:
            self._accumulate(params, mean, unbiased)
        return top.view(shape)

    def _accumulate(self, params: Tensors, mean: torch.Tensor, unbiased: torch.Tensor) -> None:
        """Add the statistics of a batch to the decayed sums."""
        with torch.no_grad():
            *sums, weight = params
            torch._foreach_mul_([*sums, weight], self.decay)
            torch._foreach_add_(sums, [mean, unbiased])
            weight.add_(1.0)
        for blob in self.blobs:
            blob.data_written()


@register("MVN")
class MVN(Layer):
    """(x - mean) / (standard deviation + eps) over each image's channel, or over each image."""

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        p = self.proto.mvn_param
        (x,) = bottoms
        rows = x.flatten(1) if p.across_channels else x.flatten(2)
        rows = rows - rows.mean(-1, keepdim=True)
        if p.normalize_variance:
            deviation = rows.square().mean(-1, keepdim=True).sqrt()
            rows = rows / (deviation + p.eps)
        return [rows.view_as(x)]
