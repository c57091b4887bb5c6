"""Layers that map single values, or the values of several inputs at one place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from caffeformat import pb

from .registry import converts

if TYPE_CHECKING:
    from ..onnx_net import Layer
    from ..onnx_writer import Writer


@converts("ReLU")
def relu(w: Writer, layer: Layer, x: str) -> str:
    slope = layer.proto.relu_param.negative_slope
    return w.add("LeakyRelu", x, alpha=slope) if slope else w.add("Relu", x)


@converts("ELU")
def elu(w: Writer, layer: Layer, x: str) -> str:
    return w.add("Elu", x, alpha=layer.proto.elu_param.alpha)


@converts("Sigmoid", "TanH", "BNLL", "AbsVal")
def elementwise(w: Writer, layer: Layer, x: str) -> str:
    names = {"Sigmoid": "Sigmoid", "TanH": "Tanh", "BNLL": "Softplus", "AbsVal": "Abs"}
    return w.add(names[layer.proto.type], x)


@converts("Swish")
def swish(w: Writer, layer: Layer, x: str) -> str:
    return w.add("Mul", x, w.add("Sigmoid", w.times(x, layer.proto.swish_param.beta)))


@converts("Clip")
def clip(w: Writer, layer: Layer, x: str) -> str:
    p = layer.proto.clip_param
    return w.add("Clip", x, w.constant(p.min), w.constant(p.max))


@converts("Threshold")
def threshold(w: Writer, layer: Layer, x: str) -> str:
    bound = w.constant(layer.proto.threshold_param.threshold)
    return w.cast(w.add("Greater", x, bound))


@converts("Dropout")
def dropout(w: Writer, layer: Layer, x: str) -> str:
    if layer.proto.dropout_param.sample_weights_test:
        raise layer.error("with sample_weights_test it draws anew in every pass; set it to false.")
    return w.add("Identity", x)


@converts("Power")
def power(w: Writer, layer: Layer, x: str) -> str:
    p = layer.proto.power_param
    if p.power * p.scale == 0:
        value = 1 if p.power == 0 else p.shift**p.power
        return w.add("Expand", w.constant(value), w.add("Shape", x))
    top = w.power(w.plus(w.times(x, p.scale), p.shift), p.power)
    return w.add("Identity", x) if top == x else top


@converts("Exp")
def exponential(w: Writer, layer: Layer, x: str) -> str:
    p = layer.proto.exp_param
    factor = 1.0 if p.base == -1 else math.log(p.base)
    return w.add("Exp", w.plus(w.times(x, p.scale * factor), p.shift * factor))


@converts("Log")
def logarithm(w: Writer, layer: Layer, x: str) -> str:
    p = layer.proto.log_param
    top = w.add("Log", w.plus(w.times(x, p.scale), p.shift))
    return top if p.base == -1 else w.times(top, 1 / math.log(p.base))


@converts("Eltwise")
def eltwise(w: Writer, layer: Layer, *inputs: str) -> str:
    p = layer.proto.eltwise_param
    operators = {
        pb.EltwiseParameter.SUM: "Add", pb.EltwiseParameter.PROD: "Mul",
        pb.EltwiseParameter.MAX: "Max",
    }  # fmt: skip
    if p.operation == pb.EltwiseParameter.SUM and p.coeff:
        inputs = tuple(map(w.times, inputs, p.coeff))
    top, *others = inputs
    for x in others:
        top = w.add(operators[p.operation], top, x)
    return top
