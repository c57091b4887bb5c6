"""Layers with parameters: convolutions, products, normalization, factors and offsets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffeformat import pb
from caffeformat.geometry import convolution_windows
from caffeformat.messages import NVIDIA_EPS, SEGNET_EPS, bn_kind, has_scale_and_bias

from .registry import converts

if TYPE_CHECKING:
    from ..onnx_net import Layer
    from ..onnx_writer import Writer


@converts("Convolution", "Deconvolution")
def convolution(w: Writer, layer: Layer, *inputs: str) -> str:
    p, spatial = layer.proto.convolution_param, len(layer.shapes[0]) - 2
    if layer.axis(p.axis) != 1 or not 1 <= spatial <= 3 or len(inputs) > 1:
        raise layer.error("only one bottom with the channels on axis 1 can be exported.")
    kernel, stride, pad, dilation = zip(*convolution_windows(layer.proto, spatial))
    operator = "Conv" if layer.proto.type == "Convolution" else "ConvTranspose"
    return w.add(
        operator, *inputs, *layer.parameters("weight", "bias"), kernel_shape=kernel,
        strides=stride, pads=[*pad, *pad], dilations=dilation, group=p.group,
    )  # fmt: skip


@converts("InnerProduct")
def inner_product(w: Writer, layer: Layer, x: str) -> str:
    axis = layer.axis(layer.proto.inner_product_param.axis)
    if axis == 1:
        return w.add("Gemm", w.add("Flatten", x), *layer.parameters("weight", "bias"), transB=1)
    x = w.add("Reshape", x, w.integers(*[0] * axis, -1))
    weight, *bias = layer.parameters("weight", "bias")
    top = w.add("MatMul", x, w.add("Transpose", weight, perm=[1, 0]))
    return w.add("Add", top, *bias) if bias else top


@converts("Embed")
def embed(w: Writer, layer: Layer, x: str) -> str:
    weight, *bias = layer.parameters("weight", "bias")
    top = w.add("Gather", weight, w.cast(x, np.int64))
    return w.add("Add", top, *bias) if bias else top


@converts("BatchNorm")
def batch_norm(w: Writer, layer: Layer, x: str) -> str:
    p = layer.proto.batch_norm_param
    if has_scale_and_bias(layer.proto):
        factors = layer.parameters("weight", "bias", "running_mean", "running_var")
        return w.add("BatchNormalization", x, *factors, epsilon=max(p.eps, NVIDIA_EPS))
    if p.HasField("use_global_stats") and not p.use_global_stats:
        raise layer.error("with use_global_stats: false it depends on the batch; set it to true.")
    factors = layer.parameters("weight", "bias")
    statistics = layer.parameters("running_mean", "running_var")
    if not factors:
        channels = layer.shapes[0][1]
        factors = [w.constant(np.ones(channels)), w.constant(np.zeros(channels))]
    return w.add("BatchNormalization", x, *factors, *statistics, epsilon=p.eps)


@converts("BN")
def bn(w: Writer, layer: Layer, x: str) -> str:
    p, axes = layer.proto.bn_param, len(layer.shapes[0])
    scale, shift = layer.parameters("weight", "bias")
    if bn_kind(layer.proto) == "pspnet":
        statistics = layer.parameters("running_mean", "running_var")
        return w.add("BatchNormalization", x, scale, shift, *statistics, epsilon=p.eps)
    if p.bn_mode == pb.BNParameter.LEARN:  # by the batch's own statistics, as the engine does
        others = [0, *range(2, axes)]
        x = w.add("Sub", x, w.mean(x, others))
        variance = w.plus(w.mean(w.add("Mul", x, x), others), SEGNET_EPS)
        x = w.add("Div", x, w.add("Sqrt", variance))
    if axes > 2:
        behind = w.integers(*range(1, axes - 1))
        scale, shift = (w.add("Unsqueeze", name, behind) for name in (scale, shift))
    return w.add("Add", w.add("Mul", x, scale), shift)


@converts("Scale", "Bias")
def scale_or_bias(w: Writer, layer: Layer, x: str, *operand: str) -> str:
    is_scale = layer.proto.type == "Scale"
    scale, bias = layer.proto.scale_param, layer.proto.bias_param
    axis = layer.axis(scale.axis if is_scale else bias.axis)
    if operand:
        factor, axes = operand[0], len(layer.shapes[1])
    else:
        (factor,) = layer.parameters("weight" if is_scale else "bias")
        axes = layer.rank_of(factor)
    behind = range(axes, len(layer.shapes[0]) - axis)

    def aligned(name: str) -> str:
        return w.add("Unsqueeze", name, w.integers(*behind)) if behind else name

    if not is_scale:
        return w.add("Add", x, aligned(factor))
    x = w.add("Mul", x, aligned(factor))
    return w.add("Add", x, aligned(*layer.parameters("bias"))) if scale.bias_term else x


@converts("PReLU")
def prelu(w: Writer, layer: Layer, x: str) -> str:
    (slope,) = layer.parameters("weight")
    if layer.rank_of(slope):
        slope = w.add("Unsqueeze", slope, w.integers(*range(1, len(layer.shapes[0]) - 1)))
    return w.add("PRelu", x, slope)
