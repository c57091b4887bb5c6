"""The layer BN of SegNet's and of PSPNet's fork of Caffe, which differ.

Both learn a factor and an offset per channel; they differ in the statistics. Blobs have the shape
1 x C x 1 x 1; older releases of PSPNet's fork wrote 1 x C.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from caffeformat import pb
from caffeformat.messages import SEGNET_EPS, bn_kind

from .base import Layer, Param, Shape, Shapes, Tensors, register
from .normalization import batch_norm

if TYPE_CHECKING:
    from collections.abc import Sequence


@register("BN")
class BN(Layer):
    """Normalizes each channel to mean 0 and variance 1, then applies a factor and an offset.

    SegNet's has two blobs, scale and shift. `bn_mode: LEARN` uses the batch's statistics in both
    phases and stores none; INFERENCE is only scale * x + shift (statistics folded into both).

    PSPNet's has four blobs: slope, bias, mean and variance. TRAIN uses the batch's statistics and
    moves the stored ones towards them: momentum * stored + (1 - momentum) * batch, with the
    variance divided by the number of values. TEST, and TRAIN if `frozen`, use the stored ones.
    """

    output_is_free = True

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.bn_param
        self.check_axes(shapes[0])
        self.channels = shapes[0][1]
        self.segnet = bn_kind(self.proto) == "segnet"
        shape = (1, self.channels, 1, 1)
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
            return [x * factor.view(shape) + offset.view(shape)]
        if self.stored:
            # Under force_backward they would require a gradient, which torch does not provide.
            mean, variance = (values.detach() for values in statistics)
        else:
            mean, variance = x.new_zeros(self.channels), x.new_zeros(self.channels)
        top = batch_norm(x, factor, offset, mean, variance, self.eps, stored=self.stored)
        if statistics and not self.stored:
            count = x.numel() // self.channels
            # The unbiased variance of a single value is 0 / 0.
            biased = variance * ((count - 1) / count) if count > 1 else variance.zero_()
            self._update(statistics, mean, biased)
        return [top]

    def _update(self, statistics: Tensors, mean: torch.Tensor, variance: torch.Tensor) -> None:
        """Move the stored statistics towards those of the batch."""
        with torch.no_grad():
            for stored, now in zip(statistics, (mean, variance)):
                stored.mul_(self.momentum).add_(now, alpha=1 - self.momentum)
        for blob in self.blobs[2:]:
            blob.data_written()
