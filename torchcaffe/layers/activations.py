"""Layers that map each value independently, with no parameters except PReLU's slopes."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from caffeformat import pb

from .base import Layer, Param, Shapes, Tensors, register


@register("ReLU")
class ReLU(Layer):
    """x where x > 0, negative_slope * x elsewhere."""

    arithmetic = "any"

    def setup(self, shapes: Shapes) -> list[Param]:
        self.slope = self.proto.relu_param.negative_slope
        self.can_overwrite = self.slope >= 0  # the output's sign must be the input's
        return []

    def overwrite(self, x: torch.Tensor) -> None:
        F.leaky_relu_(x, self.slope) if self.slope else x.relu_()

    def gradient_of_overwritten(self, top: torch.Tensor, diff: torch.Tensor) -> torch.Tensor:
        if self.slope:
            return torch.ops.aten.leaky_relu_backward(diff, top, self.slope, True)
        return torch.ops.aten.threshold_backward(diff, top, 0)

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        (x,) = bottoms
        return [F.leaky_relu(x, self.slope) if self.slope else F.relu(x)]


@register("PReLU")
class PReLU(Layer):
    """ReLU with a learned slope per channel, or one slope for all (He et al. 2015)."""

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.prelu_param
        if len(shapes[0]) < 2:
            raise self.error(f"needs a bottom of 2 axes or more; found shape {tuple(shapes[0])}.")
        filler = p.filler
        if not p.HasField("filler"):
            filler = pb.FillerParameter(type="constant", value=0.25)
        self.channels = shapes[0][1]
        return [Param(() if p.channel_shared else (self.channels,), filler)]

    def check(self, shapes: Shapes) -> None:
        self.require_channels(shapes, self.channels, "its slopes")

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        return [F.prelu(bottoms[0], params[0].reshape(-1))]


@register("ELU")
class ELU(Layer):
    """x where x > 0, alpha (e^x - 1) elsewhere (Clevert et al. 2015)."""

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        return [F.elu(bottoms[0], self.proto.elu_param.alpha)]


@register("Sigmoid")
class Sigmoid(Layer):
    """1 / (1 + e^-x)."""

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        return [torch.sigmoid(bottoms[0])]


@register("TanH")
class TanH(Layer):
    """The hyperbolic tangent."""

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        return [torch.tanh(bottoms[0])]


@register("Swish")
class Swish(Layer):
    """x * sigmoid(beta x) (Ramachandran et al. 2017)."""

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        (x,) = bottoms
        return [x * torch.sigmoid(self.proto.swish_param.beta * x)]


@register("BNLL")
class BNLL(Layer):
    """log(1 + e^x), the binomial normal log likelihood."""

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        (x,) = bottoms
        return [x.clamp(min=0) + torch.log1p(torch.exp(-x.abs()))]


@register("AbsVal")
class AbsVal(Layer):
    """|x|."""

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        return [bottoms[0].abs()]


@register("Clip")
class Clip(Layer):
    """x, limited to the range from min to max."""

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        p = self.proto.clip_param
        return [bottoms[0].clamp(p.min, p.max)]


@register("Threshold")
class Threshold(Layer):
    """1 where x > threshold, 0 elsewhere; no gradient."""

    differentiable = False

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        (x,) = bottoms
        return [(x > self.proto.threshold_param.threshold).to(x.dtype)]


@register("Dropout")
class Dropout(Layer):
    """In TRAIN, zeroes each value with probability dropout_ratio and scales up the others.

    In TEST, the top is the bottom, unless `sample_weights_test` (Bayesian SegNet) asks for the same
    as in TRAIN.
    """

    arithmetic = "any"

    def setup(self, shapes: Shapes) -> list[Param]:
        self.ratio = self.proto.dropout_param.dropout_ratio
        if not 0 <= self.ratio < 1:
            raise self.error(f"dropout_ratio is {self.ratio}; expected at least 0 and below 1.")
        self.is_random = self.phase == pb.TRAIN or self.proto.dropout_param.sample_weights_test
        return []

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        (x,) = bottoms
        if not self.is_random:
            return [x.view_as(x)]
        mask, factor = _random_mask(x, self.ratio), 1 / (1 - self.ratio)
        if x.dtype != torch.float32:  # in which the factor would be rounded
            return [x * mask * factor]
        return [x * mask.mul_(factor)]


def _random_mask(x: torch.Tensor, ratio: float) -> torch.Tensor:
    """Draw a tensor like `x` of ones, and of zeros with probability `ratio`.

    On the CPU the probability is rounded to a multiple of 1 / 65536: random numbers are expensive
    there, so that each one of 64 bits decides about four values.
    """
    if x.device.type != "cpu":
        return torch.empty_like(x).bernoulli_(1 - ratio)
    parts = 1 << 16
    numbers = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(1 << 63), None)
    shares = numbers.view(torch.int16)[: x.numel()].view(x.shape)
    return (shares >= round(ratio * parts) - parts // 2).to(x.dtype)
