"""Layers that multiply by a learned matrix: InnerProduct and Embed."""

from __future__ import annotations

import math

import torch.nn.functional as F

from .base import Layer, Param, Shapes, Tensors, register


@register("InnerProduct")
class InnerProduct(Layer):
    """Multiplies the values from `axis` on by a matrix, plus a bias: ... x K -> ... x num_output.

    Weights: num_output x K, or K x num_output with `transpose`.
    """

    output_is_free = True
    arithmetic = "lower"

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.inner_product_param
        self.axis = self.canonical_axis(p.axis, shapes[0])
        self.outputs, self.transpose = p.num_output, p.transpose
        self.inputs = math.prod(shapes[0][self.axis :])
        shape = (self.outputs, self.inputs)
        params = [Param(shape[::-1] if self.transpose else shape, p.weight_filler)]
        if p.bias_term:
            params.append(Param((self.outputs,), p.bias_filler))
        return params

    def check(self, shapes: Shapes) -> None:
        if math.prod(shapes[0][self.axis :]) != self.inputs:
            raise self.error(
                f"its weights are for {self.inputs} inputs, but its bottom "
                f'"{self.proto.bottom[0]}" of shape {tuple(shapes[0])} has '
                f"{math.prod(shapes[0][self.axis :])} from axis {self.axis} on."
            )

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        weight = params[0].t() if self.transpose else params[0]
        bias = params[1] if len(params) > 1 else None
        return [F.linear(bottoms[0].flatten(self.axis), weight, bias)]


@register("Embed")
class Embed(Layer):
    """Looks up a learned row for each index: indices of shape S -> S x num_output."""

    label_bottoms = (0,)
    output_is_free = True

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.embed_param
        if p.num_output < 1 or p.input_dim < 1:
            raise self.error(
                f"num_output is {p.num_output} and input_dim {p.input_dim}; expected 1 or more."
            )
        self.rows, self.outputs = p.input_dim, p.num_output
        params = [Param((self.rows, self.outputs), p.weight_filler)]
        if p.bias_term:
            params.append(Param((self.outputs,), p.bias_filler))
        return params

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        index = bottoms[0].long()
        self.require_index(index, self.rows, bottoms[0], self.proto.bottom[0])
        top = F.embedding(index, params[0])
        return [top + params[1] if len(params) > 1 else top]
