"""Builders of layers that reduce windows or axes: pooling, normalization, softmax, resizing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from caffeformat import pb
from caffeformat.exchange import has_whole_windows, trailing_pad
from caffeformat.geometry import Window, interpolation, pooling_windows, upsampling_scale

from .registry import Place, append_axes, builds

_LOWEST = torch.finfo(torch.float32).min


@builds("Pooling")
def pooling(place: Place, x: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
    p = place.layer.pooling_param
    if p.pool not in (pb.PoolingParameter.MAX, pb.PoolingParameter.AVE):
        raise place.error("only AVE and MAX can be exported.")
    is_max = p.pool == pb.PoolingParameter.MAX
    windows = pooling_windows(place.layer)
    if len(place.layer.top) > 1:
        return _pooling_with_mask(place, x, windows)
    if windows is None:
        return place.apply(nn.AdaptiveMaxPool2d(1) if is_max else nn.AdaptiveAvgPool2d(1), x)
    kernel, stride, pad, _ = zip(*windows)
    ceil = p.round_mode == pb.PoolingParameter.CEIL
    if all(map(_is_torchs, windows)):
        if is_max:
            return place.apply(nn.MaxPool2d(kernel, stride, pad, ceil_mode=ceil), x)
        return place.apply(nn.AvgPool2d(kernel, stride, pad, ceil_mode=ceil), x)
    sides = [(w.pad, trailing_pad(w, ceil)) for w in windows]
    if not is_max:
        if not all(map(has_whole_windows, windows)):
            raise place.error(
                "average pooling can skip one pixel between its windows in an exported net, not "
                "more: choose a stride that is at most its kernel and 1."
            )
        # What `pad` adds counts as part of the image, what rounding up adds behind it does not.
        within = [(0, behind - before) for before, behind in sides]
        ones = x.new_ones(1, 1, *(x.size(axis + 2) + 2 * pad[axis] for axis in (0, 1)))
        share = F.avg_pool2d(F.pad(ones, [*within[1], *within[0]]), kernel, stride)
        padded = F.pad(x, [*sides[1], *sides[0]])
        return place.apply(nn.AvgPool2d(kernel, stride), padded) / share
    padded = F.pad(x, [*sides[1], *sides[0]], value=_LOWEST)
    return place.apply(nn.MaxPool2d(kernel, stride), padded)


def _pooling_with_mask(
    place: Place, x: torch.Tensor, windows: Sequence[Window] | None
) -> list[torch.Tensor]:
    """MAX Pooling whose second top has the winners' indices in H x W."""
    p = place.layer.pooling_param
    if p.pool != pb.PoolingParameter.MAX or windows is None or not all(map(_is_torchs, windows)):
        raise place.error(
            "a second top can only be exported of MAX pooling in windows that pad by half at most."
        )
    kernel, stride, pad, _ = zip(*windows)
    ceil = p.round_mode == pb.PoolingParameter.CEIL
    module = nn.MaxPool2d(kernel, stride, pad, return_indices=True, ceil_mode=ceil)
    made = place.apply(module, x)
    return [made[0], made[1].to(torch.float32)]


def _is_torchs(window: Window) -> bool:
    """Whether torch has the same windows.

    Not if the last one starts past the image, or if padding is too much.
    """
    return 2 * window.pad <= window.kernel and bool(window.pad or window.stride <= window.kernel)


@builds("Upsample")
def upsample(place: Place, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    p, scale = place.layer.upsample_param, upsampling_scale(place.layer)
    sizes = [p.upsample_h, p.upsample_w]
    if scale is not None:
        sizes = [x.size(axis + 2) * scale[axis] for axis in (0, 1)]
        sizes = [size - 1 if cut else size for size, cut in zip(sizes, (p.pad_out_h, p.pad_out_w))]
    height, width = sizes
    top = x.new_zeros(x.size(0), x.size(1), height * width)
    top = top.scatter(2, mask.flatten(2).to(torch.int64), x.flatten(2))
    return top.view(x.size(0), x.size(1), height, width)


@builds("Normalize")
def normalize(place: Place, x: torch.Tensor) -> torch.Tensor:
    p, axes = place.layer.norm_param, len(place.shapes[0])
    squares = (x * x).sum(list(range(1, axes)) if p.across_spatial else [1], keepdim=True)
    scale = place.parameter("weight")
    if not p.channel_shared:
        scale = append_axes(scale, axes - 2)
    return x / (squares + p.eps).sqrt() * scale


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
    x = append_axes(x, 4 - len(place.shapes[0]))
    axes = [1, 2, 3] if p.across_channels else [2, 3]
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
    rows = x.flatten(1) if len(place.shapes[0]) > 1 else append_axes(x, 1)
    return append_axes(rows.argmax(1), axes - 1).to(torch.float32)


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
