"""Layers that normalize to mean 0 and variance 1: BatchNorm and MVN."""

from __future__ import annotations

import torch

from caffeformat import pb

from .base import Layer, Param, Shape, Shapes, Tensors, register


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


@register("BatchNorm")
class BatchNorm(Layer):
    """(x - mean) / sqrt(variance + eps) for each channel (Ioffe and Szegedy 2015).

    TRAIN uses the batch's statistics and keeps decayed sums in three blobs: means, variances
    (unbiased) and the weight by which both are divided. TEST uses those sums; `use_global_stats`
    overrides which are used. A weight of 0 stands for mean and variance 0.
    """

    output_is_free = True

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
            mean, variance = means * factor, variances * factor
        else:
            # Zeros, not uninitialized memory: torch multiplies it by 0, and 0 times NaN is NaN.
            mean, variance = x.new_zeros(self.channels), x.new_zeros(self.channels)
        top = batch_norm(x, scale, bias, mean, variance, self.eps, stored=self.stored)
        if remember and not self.stored:
            self._accumulate(params, mean, variance, x.numel() // self.channels)
        return top.view(shape)

    def _accumulate(
        self, params: Tensors, mean: torch.Tensor, variance: torch.Tensor, count: int
    ) -> None:
        """Add the statistics of a batch, `count` values per channel, to the decayed sums."""
        if count == 1:  # the unbiased variance of one value is 0 / 0
            variance.zero_()
        with torch.no_grad():
            mean_sum, variance_sum, weight = params
            mean_sum.mul_(self.decay).add_(mean)
            variance_sum.mul_(self.decay).add_(variance)
            weight.mul_(self.decay).add_(1.0)
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
