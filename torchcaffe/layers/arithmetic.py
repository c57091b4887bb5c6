"""Sums, products and powers: Power, Exp, Log, Eltwise, Scale, Bias."""

from __future__ import annotations

import math
from typing import Any

import torch

from caffeformat import pb

from .base import Layer, Param, Shape, Shapes, Tensors, register


@register("Power")
class Power(Layer):
    """(shift + scale x) ^ power.

    In place, the gradient is the one that Caffe computes there: the slope, taken at the output,
    times itself instead of times the top's diff.
    """

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.power_param
        self.power, self.scale, self.shift = p.power, p.scale, p.shift
        return []

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        (x,) = bottoms
        if self.power * self.scale == 0:  # a constant; the formula would have no gradient at 0 ^ p
            return [torch.full_like(x, self.shift).pow(self.power)]
        if x.requires_grad and self.proto.bottom[0] == self.proto.top[0]:
            return [_PowerInPlace.apply(x, self)]
        return [self.evaluate(x)]

    def evaluate(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the formula to `x`; the result never shares its memory."""
        top = x * self.scale if self.scale != 1 else x
        if self.shift:
            top = top + self.shift
        if self.power != 1:
            top = top.pow(self.power)
        return top.clone() if top is x else top


class _PowerInPlace(torch.autograd.Function):
    """A Power that works in place, with Caffe's gradient (see `Power`)."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, layer: Power) -> torch.Tensor:
        top = layer.evaluate(x)
        ctx.save_for_backward(top)
        ctx.layer = layer
        return top

    @staticmethod
    def backward(ctx: Any, diff: torch.Tensor) -> tuple[torch.Tensor, None]:
        (top,) = ctx.saved_tensors
        layer = ctx.layer
        slope = layer.power * layer.scale
        inner = layer.shift + layer.scale * top
        if layer.power == 1:
            return torch.full_like(diff, slope**2), None
        if layer.power == 2:
            return (slope * inner).square(), None
        return (slope * top / inner).square(), None


def _log_of_base(layer: Layer, base: float) -> float:
    """Return the natural logarithm of `base`, where -1 stands for e."""
    if base == -1:
        return 1.0
    if base <= 0:
        raise layer.error(f"base is {base}; expected more than 0, or -1 for e.")
    return math.log(base)


@register("Exp")
class Exp(Layer):
    """base ^ (shift + scale x), where base is e unless set."""

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.exp_param
        log_base = _log_of_base(self, p.base)
        self.scale, self.shift = p.scale * log_base, p.shift * log_base
        return []

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        return [torch.exp(bottoms[0] * self.scale + self.shift)]


@register("Log")
class Log(Layer):
    """log_base(shift + scale x), where base is e unless set."""

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.log_param
        self.log_base, self.scale, self.shift = _log_of_base(self, p.base), p.scale, p.shift
        if self.log_base == 0:
            raise self.error("base is 1, which has no logarithm; expected another base.")
        return []

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        return [torch.log(bottoms[0] * self.scale + self.shift) / self.log_base]


@register("Eltwise")
class Eltwise(Layer):
    """The elementwise product, (weighted) sum or maximum of bottoms of one shape.

    `coeff` weights the sum; as in Caffe, a maximum ignores it and a product refuses it. The
    gradient of a maximum goes to one bottom only: in a tie, to the later of the first two bottoms,
    and to the earlier one among those that follow. `stable_prod_grad: false` gives the same
    gradient as true here (in Caffe it divides, and so fails at zeros).
    """

    bottoms = (2, None)
    output_is_free = True
    arithmetic = "any"

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.eltwise_param
        self.inputs_are_free = p.operation == pb.EltwiseParameter.SUM
        self.operation, coefficients = p.operation, list(p.coeff)
        if coefficients and self.operation == pb.EltwiseParameter.PROD:
            raise self.error("coeff is available for operation SUM only, not for PROD.")
        if coefficients and len(coefficients) != len(shapes):
            raise self.error(
                f"needs one coeff per bottom; found {len(coefficients)} for {len(shapes)} bottoms."
            )
        self.coefficients = coefficients or [1.0] * len(shapes)
        self.adds_up = self.inputs_are_free and self.coefficients == [1, 1]
        return []

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        first, *others = bottoms
        if self.operation == pb.EltwiseParameter.SUM:
            start, *weights = self.coefficients
            top = first if start == 1 else first * start
            for x, weight in zip(others, weights):
                top = torch.add(top, x, alpha=weight)
            return [top]
        if self.operation == pb.EltwiseParameter.PROD:
            top = first
            for x in others:
                top = top * x
            return [top]
        top = torch.where(first > others[0], first, others[0])
        for x in others[1:]:
            top = torch.where(x > top, x, top)
        return [top]


class _Broadcast(Layer):
    """Base of Scale and Bias: one operand, learned or a second bottom, along some axes."""

    arithmetic = "any"
    bottoms = (1, 2)
    output_is_free = True
    operand: Shape

    def operand_shape(self, p: pb.ScaleParameter | pb.BiasParameter, shapes: Shapes) -> Shape:
        """Set `axis` and return the operand's shape, which is the bottom's from `axis` on."""
        shape = shapes[0]
        if len(shapes) == 2:
            self.axis = self.canonical_axis(p.axis, shape) if shapes[1] else 0
            return tuple(shapes[1])
        self.axis = self.canonical_axis(p.axis, shape)
        if p.num_axes < -1 or self.axis + p.num_axes > len(shape):
            raise self.error(
                f"num_axes is {p.num_axes} from axis {self.axis}, but its bottom has shape "
                f"{tuple(shape)}."
            )
        return tuple(shape[self.axis :] if p.num_axes == -1 else shape[self.axis :][: p.num_axes])

    def check(self, shapes: Shapes) -> None:
        operand = tuple(shapes[1]) if len(shapes) == 2 else self.operand
        end = self.axis + len(operand)
        if tuple(shapes[0][self.axis : end]) != operand:
            raise self.error(
                f"its operand of shape {operand} does not fit its bottom of shape "
                f"{tuple(shapes[0])} from axis {self.axis} on."
            )

    def aligned(self, operand: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Append axes of size 1 to `operand` so that it broadcasts along `x` from `axis` on."""
        missing = x.dim() - self.axis - operand.dim()
        return operand.reshape((*operand.shape, *(1,) * missing))


@register("Scale")
class Scale(_Broadcast):
    """x * scale, plus a bias with `bias_term`; the scale is learned, or the second bottom."""

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.scale_param
        self.operand = self.operand_shape(p, shapes)
        self.bias = p.bias_term
        params = []
        if len(shapes) == 1:
            one = pb.FillerParameter(type="constant", value=1)
            params.append(Param(self.operand, p.filler if p.HasField("filler") else one))
        if self.bias:
            params.append(Param(self.operand, p.bias_filler))
        return params

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        x = bottoms[0]
        scale = self.aligned(bottoms[1] if len(bottoms) == 2 else params[0], x)
        if not self.bias:
            return [(x * scale).to(x.dtype)]
        return [torch.addcmul(self.aligned(params[-1], x), x, scale).to(x.dtype)]


@register("Bias")
class Bias(_Broadcast):
    """x + bias; the bias is learned, or the second bottom."""

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.bias_param
        self.operand = self.operand_shape(p, shapes)
        return [Param(self.operand, p.filler)] if len(shapes) == 1 else []

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        x = bottoms[0]
        return [(x + self.aligned(bottoms[1] if len(bottoms) == 2 else params[0], x)).to(x.dtype)]
