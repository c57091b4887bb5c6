"""Builders of layers that reduce windows or axes: pooling, normalization, softmax, resizing."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from caffeformat import pb
from caffeformat.exchange import trailing_pad
from caffeformat.geometry import interpolation, pooling_windows

from .registry import Place, append_axes, builds

_LOWEST = torch.finfo(torch.float32).min


@builds("Pooling")
def pooling(place: Place, x: torch.Tensor) -> torch.Tensor:
    p = place.layer.pooling_param
    if p.pool not in (pb.PoolingParameter.MAX, pb.PoolingParameter.AVE) or len(place.layer.top) > 1:
        raise place.error("only AVE, and MAX without a second top, can be exported.")
    is_max = p.pool == pb.PoolingParameter.MAX
    windows = pooling_windows(place.layer)
    if windows is None:
        return place.apply(nn.AdaptiveMaxPool2d(1) if is_max else nn.AdaptiveAvgPool2d(1), x)
    kernel, stride, pad, _ = zip(*windows)
    ceil = p.round_mode == pb.PoolingParameter.CEIL
    # torch has the same windows, unless the last one starts past the image or padding is too much.
    if all(2 * w.pad <= w.kernel and (w.pad or w.stride <= w.kernel) for w in windows):
        if is_max:
            return place.apply(nn.MaxPool2d(kernel, stride, pad, ceil_mode=ceil), x)
        return place.apply(nn.AvgPool2d(kernel, stride, pad, ceil_mode=ceil), x)
    if not is_max:
        raise place.error(
            "average pooling that skips pixels, or pads by more than half, cannot be exported."
        )
    sides = [(w.pad, trailing_pad(w, ceil)) for w in windows]
    padded = F.pad(x, [*sides[1], *sides[0]], value=_LOWEST)
    return place.apply(nn.MaxPool2d(kernel, stride), padded)


@builds("LRN")
def lrn(place: Place, x: torch.Tensor) -> torch.Tensor:
    p = place.layer.lrn_param
    if p.norm_region == pb.LRNParameter.ACROSS_CHANNELS:
        return place.apply(nn.LocalResponseNorm(p.local_size, p.alpha, p.beta, p.k), x)
    mean = F.avg_pool2d(x * x, p.local_size, 1, p.local_size // 2)
    return x * (1 + p.alpha * mean).pow(-p.beta)


@builds("MVN")
def mvn(place: Place, x: torch.Tensor) -> torch.Tensor:
    p = place.layer.mvn_param
    axes = list(range(1 if p.across_channels else 2, len(place.shapes[0])))
    x = x - x.mean(axes, keepdim=True)
    if p.normalize_variance:
        x = x / ((x * x).mean(axes, keepdim=True).sqrt() + p.eps)
    return x


@builds("Softmax")
def softmax(place: Place, x: torch.Tensor) -> torch.Tensor:
    return place.apply(nn.Softmax(place.axis(place.layer.softmax_param.axis)), x)


@builds("ArgMax")
def argmax(place: Place, x: torch.Tensor) -> torch.Tensor:
    p = place.layer.argmax_param
    if p.top_k != 1 or p.out_max_val:
        raise place.error("only top_k: 1 without out_max_val can be exported.")
    if p.HasField("axis"):
        return x.argmax(place.axis(p.axis), keepdim=True).to(torch.float32)
    axes = max(3, len(place.shapes[0]))
    return append_axes(x.flatten(1).argmax(1), axes - 1).to(torch.float32)


@builds("Reduction")
def reduction(place: Place, x: torch.Tensor) -> torch.Tensor:
    p = place.layer.reduction_param
    axes = list(range(place.axis(p.axis), len(place.shapes[0])))
    if p.operation == pb.ReductionParameter.ASUM:
        x = x.abs()
    elif p.operation == pb.ReductionParameter.SUMSQ:
        x = x * x
    mean = p.operation == pb.ReductionParameter.MEAN
    return (x.mean(axes) if mean else x.sum(axes)) * p.coeff


@builds("Interp")
def interp(place: Place, x: torch.Tensor, *like: torch.Tensor) -> torch.Tensor:
    found = interpolation(place.layer)
    sizes = [x.size(axis) - found.begin - found.end for axis in (2, 3)]
    for axis, size in enumerate(sizes, 2):
        x = x.narrow(axis, found.begin, size) if found.begin or found.end else x
    if like:
        new = [like[0].size(2), like[0].size(3)]
    elif found.sizes:
        new = list(found.sizes)
    else:
        new = [(size - 1) // found.shrink * found.zoom + 1 for size in sizes]
    return F.interpolate(x, size=new, mode="bilinear", align_corners=True)
