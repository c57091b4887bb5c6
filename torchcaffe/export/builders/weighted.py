"""Builders of layers with parameters: convolutions, products, normalization, factors, offsets."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from caffeformat import pb
from caffeformat.geometry import convolution_windows
from caffeformat.messages import NVIDIA_EPS, SEGNET_EPS, bn_kind, has_scale_and_bias

from .registry import Place, append_axes, builds

# By the number of spatial axes. The classes' stubs differ in the length of tuples that they take.
_CONVOLUTIONS: dict[int, Callable[..., nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED: dict[int, Callable[..., nn.Module]] = {
    1: nn.ConvTranspose1d,
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}
_NORMS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}


@builds("Convolution", "Deconvolution")
def convolution(place: Place, *inputs: torch.Tensor) -> torch.Tensor:
    shape, p = place.shapes[0], place.layer.convolution_param
    spatial = len(shape) - 2
    if place.axis(p.axis) != 1 or spatial not in _CONVOLUTIONS or len(inputs) > 1:
        raise place.error("only one bottom with the channels on axis 1 can be exported.")
    kernel, stride, pad, dilation = zip(*convolution_windows(place.layer, spatial))
    classes = _CONVOLUTIONS if place.layer.type == "Convolution" else _TRANSPOSED
    module = classes[spatial](
        shape[1],
        p.num_output,
        kernel,
        stride,
        pad,
        groups=p.group,
        bias=p.bias_term,
        dilation=dilation,
        device="meta",
    )
    return place.apply(module, *inputs)


@builds("InnerProduct")
def inner_product(place: Place, x: torch.Tensor) -> torch.Tensor:
    outputs, inputs = place.tensors["weight"].shape
    linear = nn.Linear(inputs, outputs, "bias" in place.tensors, device="meta")
    axis = place.axis(place.layer.inner_product_param.axis)
    return place.apply(linear, x.flatten(axis))


@builds("Embed")
def embed(place: Place, x: torch.Tensor) -> torch.Tensor:
    top = F.embedding(x.long(), place.parameter("weight"))
    return top + place.parameter("bias") if "bias" in place.tensors else top


@builds("BatchNorm")
def batch_norm(place: Place, x: torch.Tensor) -> torch.Tensor:
    p, shape = place.layer.batch_norm_param, place.shapes[0]
    nvidia = has_scale_and_bias(place.layer)
    if p.HasField("use_global_stats") and not p.use_global_stats and not nvidia:
        raise place.error(
            "with use_global_stats: false the output depends on the batch; set it to true."
        )
    if len(shape) not in _NORMS:
        raise place.error(f"a bottom of {len(shape)} axes cannot be exported.")
    eps = max(p.eps, NVIDIA_EPS) if nvidia else p.eps
    affine, momentum = place.is_affine or nvidia, 1 - p.moving_average_fraction
    module = _NORMS[len(shape)](shape[1], eps, momentum, affine=affine, device="meta")
    return place.apply(module, x)


@builds("BN")
def bn(place: Place, x: torch.Tensor) -> torch.Tensor:
    p, axes = place.layer.bn_param, len(place.shapes[0])
    if bn_kind(place.layer) == "pspnet":
        if axes not in _NORMS:
            raise place.error(f"a bottom of {axes} axes cannot be exported.")
        return place.apply(
            _NORMS[axes](place.shapes[0][1], p.eps, 1 - p.momentum, device="meta"), x
        )
    if p.bn_mode == pb.BNParameter.LEARN:  # by the batch's own statistics, as the engine does
        others = [0, *range(2, axes)]
        x = x - x.mean(others, keepdim=True)
        x = x / ((x * x).mean(others, keepdim=True) + SEGNET_EPS).sqrt()
    scale, shift = (append_axes(place.parameter(name), axes - 2) for name in ("weight", "bias"))
    return x * scale + shift


@builds("Scale", "Bias")
def scale_or_bias(place: Place, x: torch.Tensor, *operand: torch.Tensor) -> torch.Tensor:
    is_scale = place.layer.type == "Scale"
    scale, bias = place.layer.scale_param, place.layer.bias_param
    axis = place.axis(scale.axis if is_scale else bias.axis)

    def aligned(values: torch.Tensor, axes: int) -> torch.Tensor:
        missing = len(place.shapes[0]) - axis - axes
        return append_axes(values, missing) if missing else values

    if operand:
        factor, axes = operand[0], len(place.shapes[1])
    else:
        name = "weight" if is_scale else "bias"
        factor, axes = place.parameter(name), place.tensors[name].ndim
    if not is_scale:
        return x + aligned(factor, axes)
    x = x * aligned(factor, axes)
    return x + aligned(place.parameter("bias"), axes) if scale.bias_term else x


@builds("PReLU")
def prelu(place: Place, x: torch.Tensor) -> torch.Tensor:
    return F.prelu(x, place.parameter("weight").reshape(-1))
