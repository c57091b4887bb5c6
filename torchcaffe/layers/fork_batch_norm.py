"""BN, of which two forks of Caffe have one each: SegNet's and PSPNet's.

Both learn a factor and an offset for each channel; they differ in the statistics. Blobs have the
shape 1 x C x 1 x 1; older releases of PSPNet's wrote 1 x C.
"""

import torch

from caffeformat import pb
from caffeformat.forks import bn_kind

from .base import Layer, Param, register

_SEGNET_EPS = 1e-9


@register("BN")
class BN(Layer):
    """Values brought to mean 0 and variance 1 for each channel, times a factor plus an offset.

    SegNet's: two blobs, scale and shift. `bn_mode: LEARN` uses the batch's statistics in both
    phases and keeps none; INFERENCE is scale * x + shift alone (statistics folded into both).

    PSPNet's: four blobs, slope, bias, mean and variance. TRAIN uses the batch's statistics and
    moves the stored ones towards them: momentum * stored + (1 - momentum) * batch, the variance
    divided by the number of values. TEST, and TRAIN where `frozen`, use the stored ones.
    """

    output_is_free = True

    def setup(self, shapes):
        p = self.proto.bn_param
        self.check_axes(shapes[0])
        self.channels = shapes[0][1]
        self.segnet = bn_kind(self.proto) == "segnet"
        shape = (1, self.channels, 1, 1)
        if self.segnet:
            self.plain = p.bn_mode == pb.BNParameter.INFERENCE
            self.stored, self.eps = False, _SEGNET_EPS
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

    def takes(self, shape, blob_shape):
        return [dim for dim in shape if dim != 1] == [dim for dim in blob_shape if dim != 1]

    def check_axes(self, shape):
        if len(shape) < 2:
            raise self.error(f"takes N x C x ... blobs, its bottom has shape {tuple(shape)}.")

    def check(self, shapes):
        self.check_axes(shapes[0])
        if shapes[0][1] != self.channels:
            raise self.error(
                f"its parameters are for {self.channels} channels, but its bottom "
                f'"{self.proto.bottom[0]}" has shape {tuple(shapes[0])}.'
            )

    def forward(self, bottoms, params):
        (x,) = bottoms
        factor, offset, *statistics = (param.view(-1) for param in params)
        if self.plain:
            shape = (1, -1) + (1,) * (x.dim() - 2)
            return [x * factor.view(shape) + offset.view(shape)]
        if self.stored:
            # Under force_backward they would ask for a gradient, which torch has not.
            mean, variance = (values.detach() for values in statistics)
        else:
            # With momentum 1, torch leaves the batch's mean and unbiased variance in these buffers.
            mean, variance = x.new_zeros(self.channels), x.new_zeros(self.channels)
        top = torch.batch_norm(
            x, factor, offset, mean, variance, not self.stored, 1.0, self.eps,
            torch.backends.cudnn.enabled,
        )  # fmt: skip
        if statistics and not self.stored:
            count = x.numel() // self.channels
            # The unbiased variance of a single value is 0 / 0.
            biased = variance * ((count - 1) / count) if count > 1 else variance.zero_()
            self._remember(statistics, mean, biased)
        return [top]

    def _remember(self, statistics, mean, variance):
        with torch.no_grad():
            for blob, now in zip(statistics, (mean, variance)):
                blob.mul_(self.momentum).add_(now, alpha=1 - self.momentum)
        for blob in self.blobs[2:]:
            blob.data_written()
