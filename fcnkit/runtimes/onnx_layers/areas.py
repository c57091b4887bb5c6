"""Layers over windows or whole axes: pooling, normalization, softmax, resizing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import pb
from caffeformat.exchange import has_whole_windows, trailing_pad
from caffeformat.geometry import interpolation, pooling_windows, upsampling_scale

from .registry import converts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffeformat.geometry import Window

    from ..onnx_net import Layer
    from ..onnx_writer import Writer


@converts("Pooling")
def pooling(w: Writer, layer: Layer, x: str) -> str | list[str]:
    p = layer.proto.pooling_param
    kinds = {pb.PoolingParameter.MAX: "MaxPool", pb.PoolingParameter.AVE: "AveragePool"}
    if p.pool not in kinds:
        raise layer.error("only MAX and AVE can be exported.")
    windows = pooling_windows(layer.proto)
    if len(layer.proto.top) > 1:
        return _pooling_with_mask(w, layer, x, windows)
    if windows is None:
        return w.add(f"Global{kinds[p.pool]}", x)
    ceil = p.round_mode == pb.PoolingParameter.CEIL
    behind = [trailing_pad(window, ceil) for window in windows]
    kernel, stride, pad, _ = zip(*windows)
    settings = {"kernel_shape": kernel, "strides": stride}
    if p.pool == pb.PoolingParameter.MAX:
        if all(b < k for b, k in zip(behind, kernel)):
            return w.add("MaxPool", x, pads=[*pad, *behind], **settings)
        # Windows may lie entirely outside the image; Caffe's result for them is the lowest float.
        return w.add("MaxPool", _extended(w, x, behind, np.finfo(np.float32).min), **settings)
    # The mean is over the window clipped to image and padding: padding counts as part of the image,
    # but what rounding up adds behind it does not.
    if any(pad):
        x = w.add("Pad", x, w.integers(0, 0, *pad, 0, 0, *pad))
    added = [b - before for b, before in zip(behind, pad)]
    if any(a >= k for a, k in zip(added, kernel)):
        if not all(map(has_whole_windows, windows)):
            raise layer.error(
                "average pooling can skip one pixel between its windows in an exported net, not "
                "more: choose a stride that is at most its kernel and 1."
            )
        return _mean_where_windows_may_be_outside(w, x, added, settings)
    return w.add("AveragePool", x, pads=[0, 0, *added], count_include_pad=0, **settings)


def _mean_where_windows_may_be_outside(
    w: Writer, x: str, added: Sequence[int], settings: dict[str, Any]
) -> str:
    """AVE pooling with `added` pixels behind that do not count; NaN where a window has no others.

    The sum over the share of the window that counts.
    """
    ones = w.add("Expand", w.constant(1), w.join(w.integers(1, 1), w.sizes(x, 2, 3)))
    parts = [_extended(w, part, added, 0) for part in (x, ones)]
    return w.add("Div", *(w.add("AveragePool", part, **settings) for part in parts))


def _extended(w: Writer, x: str, behind: Sequence[int], value: float) -> str:
    """`x` with pixels of `value` behind its rows and columns.

    Not by Pad: ONNX Runtime would merge it into a pooling, and refuse to pad by a whole window.
    """
    for axis, count in zip((2, 3), behind):
        if count:
            sizes = [w.sizes(x, 0, 1), w.integers(count), w.sizes(x, 3)]
            if axis == 3:
                sizes = [w.sizes(x, 0, 1, 2), w.integers(count)]
            more = w.add("Expand", w.constant(value), w.join(*sizes))
            x = w.add("Concat", x, more, axis=axis)
    return x


def _pooling_with_mask(
    w: Writer, layer: Layer, x: str, windows: Sequence[Window] | None
) -> list[str]:
    """MAX Pooling whose second top has the winners' indices in H x W."""
    p = layer.proto.pooling_param
    ceil = p.round_mode == pb.PoolingParameter.CEIL
    behind = [trailing_pad(window, ceil) for window in windows or ()]
    if (
        windows is None
        or p.pool != pb.PoolingParameter.MAX
        or any(b >= window.kernel for b, window in zip(behind, windows))
    ):
        raise layer.error(
            "a second top can only be exported of MAX pooling whose windows touch the image."
        )
    kernel, stride, pad, _ = zip(*windows)
    top, index = w.add_many(
        "MaxPool", [x], 2, pads=[*pad, *behind], kernel_shape=kernel, strides=stride
    )
    # ONNX counts on through images and channels.
    return [top, w.cast(w.add("Mod", index, w.product(w.sizes(x, 2, 3))))]


@converts("Upsample")
def upsample(w: Writer, layer: Layer, x: str, mask: str) -> str:
    p, scale = layer.proto.upsample_param, upsampling_scale(layer.proto)
    if scale is None:
        sizes = w.integers(p.upsample_h, p.upsample_w)
    else:
        sizes = w.add("Mul", w.sizes(x, 2, 3), w.integers(*scale))
        sizes = w.add("Sub", sizes, w.integers(p.pad_out_h, p.pad_out_w))
    maps, flat = w.sizes(x, 0, 1), w.integers(0, 0, -1)
    zeros = w.add("Expand", w.constant(0), w.join(maps, w.product(sizes)))
    index = w.cast(w.add("Reshape", mask, flat), np.int64)
    top = w.add("ScatterElements", zeros, index, w.add("Reshape", x, flat), axis=2)
    return w.add("Reshape", top, w.join(maps, sizes))


@converts("Normalize")
def normalize(w: Writer, layer: Layer, x: str) -> str:
    p, axes = layer.proto.norm_param, len(layer.shapes[0])
    (scale,) = layer.parameters("weight")
    over = w.integers(*(range(1, axes) if p.across_spatial else [1]))
    norm = w.add("Sqrt", w.plus(w.add("ReduceSumSquare", x, over, keepdims=1), p.eps))
    if layer.rank_of(scale) and axes > 2:
        scale = w.add("Unsqueeze", scale, w.integers(*range(1, axes - 1)))
    return w.add("Mul", w.add("Div", x, norm), scale)


@converts("LRN")
def lrn(w: Writer, layer: Layer, x: str) -> str:
    p = layer.proto.lrn_param
    if p.norm_region == pb.LRNParameter.ACROSS_CHANNELS:
        return w.add("LRN", x, alpha=p.alpha, beta=p.beta, bias=p.k, size=p.local_size)
    size, half = p.local_size, p.local_size // 2
    mean = w.add(
        "AveragePool", w.add("Mul", x, x), kernel_shape=[size, size], pads=[half] * 4,
        count_include_pad=1,
    )  # fmt: skip
    return w.add("Div", x, w.power(w.plus(w.times(mean, p.alpha), 1), p.beta))


@converts("MVN")
def mvn(w: Writer, layer: Layer, x: str) -> str:
    p = layer.proto.mvn_param
    axes = range(1 if p.across_channels else 2, 4)
    missing = range(len(layer.shapes[0]), 4)
    if missing:
        x = w.add("Unsqueeze", x, w.integers(*missing))
    x = w.add("Sub", x, w.mean(x, axes))
    if not p.normalize_variance:
        return x
    deviation = w.add("Sqrt", w.mean(w.add("Mul", x, x), axes))
    return w.add("Div", x, w.plus(deviation, p.eps))


@converts("Softmax")
def softmax(w: Writer, layer: Layer, x: str) -> str:
    return w.add("Softmax", x, axis=layer.axis(layer.proto.softmax_param.axis))


@converts("ArgMax")
def argmax(w: Writer, layer: Layer, x: str) -> str:
    p = layer.proto.argmax_param
    if p.top_k != 1 or p.out_max_val:
        raise layer.error("only top_k: 1 without out_max_val can be exported.")
    if p.HasField("axis"):
        return w.cast(w.add("ArgMax", x, axis=layer.axis(p.axis), keepdims=1))
    index = w.add("ArgMax", w.add("Flatten", x), axis=1, keepdims=1)
    axes = max(3, len(layer.shapes[0]))
    return w.add("Unsqueeze", w.cast(index), w.integers(*range(2, axes)))


@converts("Reduction")
def reduction(w: Writer, layer: Layer, x: str) -> str:
    p = layer.proto.reduction_param
    operators = {
        pb.ReductionParameter.SUM: "ReduceSum", pb.ReductionParameter.ASUM: "ReduceL1",
        pb.ReductionParameter.SUMSQ: "ReduceSumSquare", pb.ReductionParameter.MEAN: "ReduceMean",
    }  # fmt: skip
    axes = w.integers(*range(layer.axis(p.axis), len(layer.shapes[0])))
    return w.times(w.add(operators[p.operation], x, axes, keepdims=0), p.coeff)


@converts("Interp")
def interp(w: Writer, layer: Layer, x: str, *like: str) -> str:
    found = interpolation(layer.proto)
    if found.begin or found.end:
        begins, ends = w.integers(found.begin, found.begin), w.integers(found.end, found.end)
        x = w.slice(x, (2, 3), begins, w.add("Sub", w.sizes(x, 2, 3), ends))
    if like:
        sizes = w.sizes(like[0], 2, 3)
    elif found.sizes:
        sizes = w.integers(*found.sizes)
    else:
        sizes, one = w.add("Sub", w.sizes(x, 2, 3), w.integers(1, 1)), w.integers(1, 1)
        sizes = w.add("Div", sizes, w.integers(found.shrink, found.shrink))
        sizes = w.add("Add", w.add("Mul", sizes, w.integers(found.zoom, found.zoom)), one)
    sizes = w.join(w.sizes(x, 0, 1), sizes)
    how = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    return w.add("Resize", x, "", "", sizes, **how)
