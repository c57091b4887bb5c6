"""Caffe's layers in terms of plain torch: one function a layer type.

A builder gets its `Place` (see module.py) and its inputs, and returns its output or outputs. The
inputs are proxies: what is done to them is written down, and runs when the module runs.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from caffeformat import pb
from caffeformat.padding import trailing_pad
from caffeformat.shape_rules import concat_axis
from caffeformat.windows import convolution_windows, interpolation, pooling_windows

BUILDERS = {}

_CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_NORMS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
_LOWEST = torch.finfo(torch.float32).min


def builds(*types):
    """Decorator: this function builds layers of `types`."""

    def enter(function):
        BUILDERS.update(dict.fromkeys(types, function))
        return function

    return enter


@builds("Convolution", "Deconvolution")
def convolution(place, *inputs):
    shape, p = place.shapes[0], place.layer.convolution_param
    spatial = len(shape) - 2
    if place.axis(p.axis) != 1 or spatial not in _CONVOLUTIONS or len(inputs) > 1:
        raise place.error("only one bottom with the channels on axis 1 can be exported.")
    kernel, stride, pad, dilation = zip(*convolution_windows(place.layer, spatial))
    settings = {"groups": p.group, "bias": p.bias_term, "dilation": dilation, "device": "meta"}
    classes = _CONVOLUTIONS if place.layer.type == "Convolution" else _TRANSPOSED
    module = classes[spatial](shape[1], p.num_output, kernel, stride, pad, **settings)
    return place.apply(module, *inputs)


@builds("InnerProduct")
def inner_product(place, x):
    outputs, inputs = place.tensors["weight"].shape
    linear = nn.Linear(inputs, outputs, "bias" in place.tensors, device="meta")
    axis = place.axis(place.layer.inner_product_param.axis)
    return place.apply(linear, x.flatten(axis))


@builds("Embed")
def embed(place, x):
    top = F.embedding(x.long(), place.parameter("weight"))
    return top + place.parameter("bias") if "bias" in place.tensors else top


@builds("Pooling")
def pooling(place, x):
    p = place.layer.pooling_param
    if p.pool not in (pb.PoolingParameter.MAX, pb.PoolingParameter.AVE) or len(place.layer.top) > 1:
        raise place.error("only MAX without a second top and AVE can be exported.")
    is_max = p.pool == pb.PoolingParameter.MAX
    windows = pooling_windows(place.layer)
    if windows is None:
        return place.apply(nn.AdaptiveMaxPool2d(1) if is_max else nn.AdaptiveAvgPool2d(1), x)
    kernel, stride, pad, _ = zip(*windows)
    ceil = p.round_mode == pb.PoolingParameter.CEIL
    # torch has these windows too, unless its last one starts past the image or pads too much.
    if all(2 * w.pad <= w.kernel and (w.pad or w.stride <= w.kernel) for w in windows):
        if is_max:
            return place.apply(nn.MaxPool2d(kernel, stride, pad, ceil_mode=ceil), x)
        return place.apply(nn.AvgPool2d(kernel, stride, pad, ceil_mode=ceil), x)
    if not is_max:
        raise place.error("average pooling that skips pixels or pads by half cannot be exported.")
    sides = [(w.pad, trailing_pad(w, ceil)) for w in windows]
    padded = F.pad(x, [*sides[1], *sides[0]], value=_LOWEST)
    return place.apply(nn.MaxPool2d(kernel, stride), padded)


@builds("LRN")
def lrn(place, x):
    p = place.layer.lrn_param
    if p.norm_region == pb.LRNParameter.ACROSS_CHANNELS:
        return place.apply(nn.LocalResponseNorm(p.local_size, p.alpha, p.beta, p.k), x)
    mean = F.avg_pool2d(x * x, p.local_size, 1, p.local_size // 2)
    return x * (1 + p.alpha * mean).pow(-p.beta)


@builds("BatchNorm")
def batch_norm(place, x):
    p, shape = place.layer.batch_norm_param, place.shapes[0]
    if p.HasField("use_global_stats") and not p.use_global_stats:
        raise place.error("with use_global_stats: false it depends on the batch; set it to true.")
    if len(shape) not in _NORMS:
        raise place.error(f"a bottom of {len(shape)} axes cannot be exported.")
    module = _NORMS[len(shape)](
        shape[1], p.eps, 1 - p.moving_average_fraction, affine=place.is_affine, device="meta"
    )
    return place.apply(module, x)


@builds("MVN")
def mvn(place, x):
    p = place.layer.mvn_param
    axes = list(range(1 if p.across_channels else 2, len(place.shapes[0])))
    x = x - x.mean(axes, keepdim=True)
    if p.normalize_variance:
        x = x / ((x * x).mean(axes, keepdim=True).sqrt() + p.eps)
    return x


@builds("Scale", "Bias")
def scale_or_bias(place, x, *operand):
    is_scale = place.layer.type == "Scale"
    p = place.layer.scale_param if is_scale else place.layer.bias_param
    axis = place.axis(p.axis)

    def aligned(values, axes):
        missing = len(place.shapes[0]) - axis - axes
        return values[(..., *[None] * missing)] if missing else values

    if operand:
        factor, axes = operand[0], len(place.shapes[1])
    else:
        name = "weight" if is_scale else "bias"
        factor, axes = place.parameter(name), place.tensors[name].ndim
    if not is_scale:
        return x + aligned(factor, axes)
    x = x * aligned(factor, axes)
    return x + aligned(place.parameter("bias"), axes) if p.bias_term else x


@builds("ReLU")
def relu(place, x):
    slope = place.layer.relu_param.negative_slope
    return place.apply(nn.LeakyReLU(slope) if slope else nn.ReLU(), x)


@builds("PReLU")
def prelu(place, x):
    return F.prelu(x, place.parameter("weight").reshape(-1))


@builds("ELU")
def elu(place, x):
    return place.apply(nn.ELU(place.layer.elu_param.alpha), x)


@builds("Sigmoid")
def sigmoid(place, x):
    return place.apply(nn.Sigmoid(), x)


@builds("TanH")
def tanh(place, x):
    return place.apply(nn.Tanh(), x)


@builds("Swish")
def swish(place, x):
    return x * torch.sigmoid(x * place.layer.swish_param.beta)


@builds("BNLL")
def bnll(place, x):
    return place.apply(nn.Softplus(), x)


@builds("AbsVal")
def absolute(place, x):
    return x.abs()


@builds("Clip")
def clip(place, x):
    return x.clamp(place.layer.clip_param.min, place.layer.clip_param.max)


@builds("Threshold")
def threshold(place, x):
    return (x > place.layer.threshold_param.threshold).to(torch.float32)


@builds("Dropout")
def dropout(place, x):
    return place.apply(nn.Dropout(place.layer.dropout_param.dropout_ratio), x)


@builds("Power")
def power(place, x):
    p = place.layer.power_param
    if p.power * p.scale == 0:
        return torch.full_like(x, 1 if p.power == 0 else p.shift**p.power)
    x = x * p.scale if p.scale != 1 else x
    x = x + p.shift if p.shift else x
    return x.pow(p.power) if p.power != 1 else x


@builds("Exp")
def exponential(place, x):
    p = place.layer.exp_param
    factor = 1.0 if p.base == -1 else math.log(p.base)
    return torch.exp(x * (p.scale * factor) + p.shift * factor)


@builds("Log")
def logarithm(place, x):
    p = place.layer.log_param
    return torch.log(x * p.scale + p.shift) / (1.0 if p.base == -1 else math.log(p.base))


@builds("Eltwise")
def eltwise(place, first, *others):
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


@builds("Softmax")
def softmax(place, x):
    return place.apply(nn.Softmax(place.axis(place.layer.softmax_param.axis)), x)


@builds("Concat")
def concat(place, *inputs):
    return torch.cat(inputs, concat_axis(place.layer, place.shapes[0]))


@builds("Slice")
def slice_(place, x):
    axis, tops = concat_axis(place.layer, place.shapes[0]), len(place.layer.top)
    points = list(place.layer.slice_param.slice_point)
    if not points:
        parts = x.chunk(tops, axis)
        return [parts[i] for i in range(tops)]
    ends = [*points, place.shapes[0][axis]]
    return [x.narrow(axis, start, end - start) for start, end in zip([0, *points], ends)]


@builds("Crop")
def crop(place, x, like):
    p = place.layer.crop_param
    first, axes = place.axis(p.axis), len(place.shapes[0])
    offsets = list(p.offset) if len(p.offset) > 1 else list(p.offset or [0]) * (axes - first)
    for axis, offset in enumerate(offsets, first):
        x = x.narrow(axis, offset, like.size(axis))
    return x


@builds("Flatten")
def flatten(place, x):
    p = place.layer.flatten_param
    return x.flatten(p.axis, p.end_axis)


@builds("Reshape")
def reshape(place, x):
    p, axes = place.layer.reshape_param, len(place.shapes[0])
    first = p.axis if p.axis >= 0 else axes + 1 + p.axis
    end = axes if p.num_axes == -1 else first + p.num_axes
    kept = [x.size(axis) for axis in range(first)]
    dims = [dim or x.size(first + i) for i, dim in enumerate(p.shape.dim)]
    return x.reshape([*kept, *dims, *(x.size(axis) for axis in range(end, axes))])


@builds("Tile")
def tile(place, x):
    p = place.layer.tile_param
    return torch.cat([x] * p.tiles, place.axis(p.axis))


@builds("ArgMax")
def argmax(place, x):
    p = place.layer.argmax_param
    if p.top_k != 1 or p.out_max_val:
        raise place.error("only top_k: 1 without out_max_val can be exported.")
    if p.HasField("axis"):
        return x.argmax(place.axis(p.axis), keepdim=True).to(torch.float32)
    axes = max(3, len(place.shapes[0]))
    return x.flatten(1).argmax(1)[(..., *[None] * (axes - 1))].to(torch.float32)


@builds("Reduction")
def reduction(place, x):
    p = place.layer.reduction_param
    axes = list(range(place.axis(p.axis), len(place.shapes[0])))
    if p.operation == pb.ReductionParameter.ASUM:
        x = x.abs()
    elif p.operation == pb.ReductionParameter.SUMSQ:
        x = x * x
    mean = p.operation == pb.ReductionParameter.MEAN
    return (x.mean(axes) if mean else x.sum(axes)) * p.coeff


@builds("Interp")
def interp(place, x, *like):
    found = interpolation(place.layer)
    sizes = [x.size(axis) - found.begin - found.end for axis in (2, 3)]
    for axis, size in enumerate(sizes, 2):
        x = x.narrow(axis, found.begin, size) if found.begin or found.end else x
    if like:
        made = like[0].size(2), like[0].size(3)
    else:
        made = found.sizes or [(size - 1) // found.shrink * found.zoom + 1 for size in sizes]
    return F.interpolate(x, size=list(made), mode="bilinear", align_corners=True)
