"""Builders of layers that map each value, or the values of several inputs at one position."""

from __future__ import annotations

import math

import torch
from torch import nn

from caffeformat import pb

from .registry import Place, builds


@builds("ReLU")
def relu(place: Place, x: torch.Tensor) -> torch.Tensor:
    slope = place.layer.relu_param.negative_slope
    return place.apply(nn.LeakyReLU(slope) if slope else nn.ReLU(), x)


@builds("ELU")
def elu(place: Place, x: torch.Tensor) -> torch.Tensor:
    return place.apply(nn.ELU(place.layer.elu_param.alpha), x)


@builds("Sigmoid")
def sigmoid(place: Place, x: torch.Tensor) -> torch.Tensor:
    return place.apply(nn.Sigmoid(), x)


@builds("TanH")
def tanh(place: Place, x: torch.Tensor) -> torch.Tensor:
    return place.apply(nn.Tanh(), x)


@builds("Swish")
def swish(place: Place, x: torch.Tensor) -> torch.Tensor:
    return x * torch.sigmoid(x * place.layer.swish_param.beta)


@builds("BNLL")
def bnll(place: Place, x: torch.Tensor) -> torch.Tensor:
    return place.apply(nn.Softplus(), x)


@builds("AbsVal")
def absolute(place: Place, x: torch.Tensor) -> torch.Tensor:
    return x.abs()


@builds("Clip")
def clip(place: Place, x: torch.Tensor) -> torch.Tensor:
    return x.clamp(place.layer.clip_param.min, place.layer.clip_param.max)


@builds("Threshold")
def threshold(place: Place, x: torch.Tensor) -> torch.Tensor:
    return (x > place.layer.threshold_param.threshold).to(torch.float32)


@builds("Dropout")
def dropout(place: Place, x: torch.Tensor) -> torch.Tensor:
    if place.layer.dropout_param.sample_weights_test:
        raise place.error("with sample_weights_test it draws anew in every pass; set it to false.")
    return place.apply(nn.Dropout(place.layer.dropout_param.dropout_ratio), x)


@builds("Power")
def power(place: Place, x: torch.Tensor) -> torch.Tensor:
    p = place.layer.power_param
    if p.power * p.scale == 0:
        return torch.full_like(x, 1 if p.power == 0 else p.shift**p.power)
    x = x * p.scale if p.scale != 1 else x
    x = x + p.shift if p.shift else x
    return x.pow(p.power) if p.power != 1 else x


@builds("Exp")
def exponential(place: Place, x: torch.Tensor) -> torch.Tensor:
    p = place.layer.exp_param
    factor = 1.0 if p.base == -1 else math.log(p.base)
    return torch.exp(x * (p.scale * factor) + p.shift * factor)


@builds("Log")
def logarithm(place: Place, x: torch.Tensor) -> torch.Tensor:
    p = place.layer.log_param
    return torch.log(x * p.scale + p.shift) / (1.0 if p.base == -1 else math.log(p.base))


@builds("Eltwise")
def eltwise(place: Place, first: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
    p = place.layer.eltwise_param
    if p.operation == pb.EltwiseParameter.SUM:
        start, *factors = list(p.coeff) or [1] * (1 + len(others))
        top = first if start == 1 else first * start
        for x, factor in zip(others, factors):
            top = top + (x if factor == 1 else x * factor)
        return top
    top = first
    for x in others:
        top = top * x if p.operation == pb.EltwiseParameter.PROD else torch.maximum(top, x)
    return top
