"""The layer BN of SegNet's and of PSPNet's fork of Caffe, which differ, and NVIDIA's BatchNorm.

Both BN learn a factor and an offset per channel; they differ in the statistics. Their blobs have
the shape 1 x C x 1 x 1; older releases of PSPNet's fork wrote 1 x C.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from caffeformat import pb
from caffeformat.messages import NVIDIA_EPS, SEGNET_EPS, bn_kind, has_scale_and_bias

from .base import Layer, Param, Shape, Shapes, Tensors, register, register_variant
from .normalization import BatchStatistics, PerChannel, batch_norm

if TYPE_CHECKING:
    from collections.abc import Sequence


@register("BN")
class BN(Layer):
    """Normalizes each channel to mean 0 and variance 1, then applies a factor and an offset.

    SegNet's has two blobs, scale and shift. `bn_mode: LEARN` uses the batch's statistics in both
    phases and stores none; INFERENCE is only scale * x + shift (statistics folded into both). A
    second and a third top get the batch's mean and variance, through which no gradient flows.

    PSPNet's has four blobs: slope, bias, mean and variance. TRAIN uses the batch's statistics and
    moves the stored ones towards them: momentum * stored + (1 - momentum) * batch, with the
    variance divided by the number of values. TEST, and TRAIN if `frozen`, use the stored ones.
    """

    output_is_free = True
    arithmetic = "any"
    tops = (1, 3)

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.bn_param
        self.check_axes(shapes[0])
        self.channels, self.batch = shapes[0][1], BatchStatistics(self.phase)
        self.segnet = bn_kind(self.proto) == "segnet"
        shape = (1, self.channels, 1, 1)
        if len(self.proto.top) > 1 and not (self.segnet and p.bn_mode == pb.BNParameter.LEARN):
            raise self.error(
                "only SegNet's BN in mode LEARN has a mean and a variance for a second and third "
                "top; remove them."
            )
        if self.segnet:
            self.plain = p.bn_mode == pb.BNParameter.INFERENCE
            self.stored, self.eps = False, SEGNET_EPS
            fillers = p.scale_filler, p.shift_filler
            return [Param(shape, filler) for filler in fillers]
        self.plain, self.eps, self.momentum = False, p.eps, p.momentum
        self.stored = p.frozen or self.phase == pb.TEST
        variance = pb.FillerParameter(value=1) if p.frozen else None
        return [
            Param(shape, p.slope_filler, learned=not p.frozen),
            Param(shape, p.bias_filler, learned=not p.frozen),
            Param(shape, learned=False),
            Param(shape, variance, learned=False),
        ]

    def takes(self, shape: Sequence[int], blob_shape: Sequence[int]) -> bool:
        return [dim for dim in shape if dim != 1] == [dim for dim in blob_shape if dim != 1]

    def check_axes(self, shape: Shape) -> None:
        """Refuse a bottom without an axis of channels."""
        if len(shape) < 2:
            raise self.error(f"needs a bottom of N x C x ...; found shape {tuple(shape)}.")

    def check(self, shapes: Shapes) -> None:
        self.check_axes(shapes[0])
        self.require_channels(shapes, self.channels, "its parameters")

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        (x,) = bottoms
        factor, offset, *statistics = (param.view(-1) for param in params)
        if self.plain:
            shape = (1, -1) + (1,) * (x.dim() - 2)
            return [(x * factor.view(shape) + offset.view(shape)).to(x.dtype)]
        if self.stored:
            # Under force_backward they would require a gradient, which torch does not provide.
            values = PerChannel(factor, offset, *(each.detach() for each in statistics))
            return [batch_norm(x, values, self.eps, stored=True)]
        top, moments = self.batch.normalize(x, factor, offset, self.eps, again=self.repeats)
        if statistics and not self.repeats:
            self._update(statistics, moments.mean, moments.variance)
        made = [moments.mean, moments.variance][: len(self.proto.top) - 1]
        return [top, *(values.view(1, -1, 1, 1) for values in made)]

    def _update(self, statistics: Tensors, mean: torch.Tensor, variance: torch.Tensor) -> None:
        """Move the stored statistics towards those of the batch."""
        with torch.no_grad():
            for stored, now in zip(statistics, (mean, variance)):
                stored.mul_(self.momentum).add_(now, alpha=1 - self.momentum)
        for blob in self.blobs[2:]:
            blob.data_written()


@register_variant("BatchNorm", has_scale_and_bias)
class ScaleBiasBatchNorm(Layer):
    """NVIDIA Caffe's BatchNorm with `scale_bias`: normalizes, then scales and shifts each channel.

    Blobs: mean, variance, a correction that is 1 and not used, scale and bias; `arranged_blobs`
    sorts those of older releases. TEST uses the stored mean and variance. TRAIN uses the batch's
    and moves the stored ones towards them, `moving_average_fraction` * stored + (1 - it) * batch;
    the first two batches replace them. As in that fork, eps is 1e-5 at least, the variance is that
    of N values and is stored with eps added, scale and bias learn with multipliers of 1 whatever
    `param` says, and `use_global_stats` is not read.
    """

    output_is_free = True
    arithmetic = "any"
    _REPLACED = 2  # batches whose statistics replace the stored ones

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.batch_norm_param
        if len(shapes[0]) < 2:
            raise self.error(f"needs a bottom of N x C x ...; found shape {tuple(shapes[0])}.")
        self.channels, self.eps = shapes[0][1], max(p.eps, NVIDIA_EPS)
        self.fraction, self.batches = p.moving_average_fraction, 0
        self.batch = BatchStatistics(self.phase)
        self.stored = self.phase == pb.TEST  # whatever use_global_stats says, as in the fork
        while len(self.proto.param) < 5:
            self.proto.param.add()
        for index, spec in enumerate(self.proto.param):
            spec.lr_mult = spec.decay_mult = float(index > 2)
        one = pb.FillerParameter(value=1)
        channels = (self.channels,)
        return [
            Param(channels, learned=False),
            Param(channels, learned=False),
            Param((1,), one, learned=False),
            Param(channels, p.scale_filler if p.HasField("scale_filler") else one),
            Param(channels, p.bias_filler if p.HasField("bias_filler") else None),
        ]

    def check(self, shapes: Shapes) -> None:
        self.require_channels(shapes, self.channels, "its parameters")

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        (x,) = bottoms
        stored_mean, stored_variance, _, scale, bias = params
        if self.stored:
            values = PerChannel(scale, bias, stored_mean.detach(), stored_variance.detach())
            return [batch_norm(x, values, self.eps, stored=True)]
        top, moments = self.batch.normalize(x, scale, bias, self.eps, again=self.repeats)
        if not self.repeats:
            kept = self.fraction if self.batches >= self._REPLACED else 0.0
            mean, variance = moments.mean, moments.variance + self.eps
            with torch.no_grad():
                for stored, now in ((stored_mean, mean), (stored_variance, variance)):
                    stored.mul_(kept).add_(now, alpha=1 - kept)
            self.batches += 1
            for blob in self.blobs[:2]:
                blob.data_written()
        return [top]
