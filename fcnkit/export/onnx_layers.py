"""Caffe's layers in ONNX's operators: one function a layer type.

A converter gets the `Writer`, its `Layer` (see onnx_net.py) and the names of its inputs, and
returns the name of its output, or a list of them. No size of an image is written down: what depends
on one is computed when the graph runs.
"""

import math

import numpy as np

from caffeformat import pb
from caffeformat.padding import trailing_pad
from caffeformat.shape_rules import concat_axis
from caffeformat.windows import convolution_windows, interpolation, pooling_windows

CONVERTERS = {}


def converts(*types):
    """Decorator: this function converts layers of `types`."""

    def enter(function):
        CONVERTERS.update(dict.fromkeys(types, function))
        return function

    return enter


@converts("Convolution", "Deconvolution")
def convolution(w, layer, *inputs):
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
def inner_product(w, layer, x):
    axis = layer.axis(layer.proto.inner_product_param.axis)
    if axis == 1:
        return w.add("Gemm", w.add("Flatten", x), *layer.parameters("weight", "bias"), transB=1)
    x = w.add("Reshape", x, w.integers(*[0] * axis, -1))
    weight, *bias = layer.parameters("weight", "bias")
    top = w.add("MatMul", x, w.add("Transpose", weight, perm=[1, 0]))
    return w.add("Add", top, *bias) if bias else top


@converts("Embed")
def embed(w, layer, x):
    weight, *bias = layer.parameters("weight", "bias")
    top = w.add("Gather", weight, w.cast(x, np.int64))
    return w.add("Add", top, *bias) if bias else top


@converts("Pooling")
def pooling(w, layer, x):
    p = layer.proto.pooling_param
    kinds = {pb.PoolingParameter.MAX: "MaxPool", pb.PoolingParameter.AVE: "AveragePool"}
    if p.pool not in kinds or len(layer.proto.top) > 1:
        raise layer.error("only MAX without a second top and AVE can be exported.")
    windows = pooling_windows(layer.proto)
    if windows is None:
        return w.add(f"Global{kinds[p.pool]}", x)
    ceil = p.round_mode == pb.PoolingParameter.CEIL
    behind = [trailing_pad(window, ceil) for window in windows]
    kernel, stride, pad, _ = zip(*windows)
    settings = {"kernel_shape": kernel, "strides": stride}
    if p.pool == pb.PoolingParameter.MAX:
        if all(b < k for b, k in zip(behind, kernel)):
            return w.add("MaxPool", x, pads=[*pad, *behind], **settings)
        # Windows may lie past the image altogether; Caffe gives them the lowest float.
        pads = w.integers(0, 0, *pad, 0, 0, *behind)
        x = w.add("Pad", x, pads, w.constant(np.finfo(np.float32).min))
        return w.add("MaxPool", x, **settings)
    # A mean is over the window clipped to image and padding: padding is part of the image here,
    # and what rounding up adds behind it is not counted.
    if any(pad):
        x = w.add("Pad", x, w.integers(0, 0, *pad, 0, 0, *pad))
    added = [b - before for b, before in zip(behind, pad)]
    if any(a >= k for a, k in zip(added, kernel)):
        raise layer.error("average pooling that skips pixels cannot be exported.")
    return w.add("AveragePool", x, pads=[0, 0, *added], count_include_pad=0, **settings)


@converts("LRN")
def lrn(w, layer, x):
    p = layer.proto.lrn_param
    if p.norm_region == pb.LRNParameter.ACROSS_CHANNELS:
        return w.add("LRN", x, alpha=p.alpha, beta=p.beta, bias=p.k, size=p.local_size)
    size, half = p.local_size, p.local_size // 2
    mean = w.add(
        "AveragePool", w.add("Mul", x, x), kernel_shape=[size, size], pads=[half] * 4,
        count_include_pad=1,
    )  # fmt: skip
    return w.add("Div", x, _power(w, w.plus(w.times(mean, p.alpha), 1), p.beta))


@converts("BatchNorm")
def batch_norm(w, layer, x):
    p = layer.proto.batch_norm_param
    if p.HasField("use_global_stats") and not p.use_global_stats:
        raise layer.error("with use_global_stats: false it depends on the batch; set it to true.")
    factors = layer.parameters("weight", "bias")
    statistics = layer.parameters("running_mean", "running_var")
    if not factors:
        channels = layer.shapes[0][1]
        factors = [w.constant(np.ones(channels)), w.constant(np.zeros(channels))]
    return w.add("BatchNormalization", x, *factors, *statistics, epsilon=p.eps)


@converts("MVN")
def mvn(w, layer, x):
    p = layer.proto.mvn_param
    axes = range(1 if p.across_channels else 2, len(layer.shapes[0]))
    x = w.add("Sub", x, w.mean(x, axes))
    if not p.normalize_variance:
        return x
    deviation = w.add("Sqrt", w.mean(w.add("Mul", x, x), axes))
    return w.add("Div", x, w.plus(deviation, p.eps))


@converts("Scale", "Bias")
def scale_or_bias(w, layer, x, *operand):
    is_scale = layer.proto.type == "Scale"
    p = layer.proto.scale_param if is_scale else layer.proto.bias_param
    axis = layer.axis(p.axis)
    if operand:
        factor, axes = operand[0], len(layer.shapes[1])
    else:
        (factor,) = layer.parameters("weight" if is_scale else "bias")
        axes = layer.rank_of(factor)
    behind = range(axes, len(layer.shapes[0]) - axis)

    def aligned(name):
        return w.add("Unsqueeze", name, w.integers(*behind)) if behind else name

    if not is_scale:
        return w.add("Add", x, aligned(factor))
    x = w.add("Mul", x, aligned(factor))
    return w.add("Add", x, aligned(*layer.parameters("bias"))) if p.bias_term else x


@converts("ReLU")
def relu(w, layer, x):
    slope = layer.proto.relu_param.negative_slope
    return w.add("LeakyRelu", x, alpha=slope) if slope else w.add("Relu", x)


@converts("PReLU")
def prelu(w, layer, x):
    (slope,) = layer.parameters("weight")
    if layer.rank_of(slope):
        slope = w.add("Unsqueeze", slope, w.integers(*range(1, len(layer.shapes[0]) - 1)))
    return w.add("PRelu", x, slope)


@converts("ELU")
def elu(w, layer, x):
    return w.add("Elu", x, alpha=layer.proto.elu_param.alpha)


@converts("Sigmoid", "TanH", "BNLL", "AbsVal")
def elementwise(w, layer, x):
    names = {"Sigmoid": "Sigmoid", "TanH": "Tanh", "BNLL": "Softplus", "AbsVal": "Abs"}
    return w.add(names[layer.proto.type], x)


@converts("Swish")
def swish(w, layer, x):
    return w.add("Mul", x, w.add("Sigmoid", w.times(x, layer.proto.swish_param.beta)))


@converts("Clip")
def clip(w, layer, x):
    p = layer.proto.clip_param
    return w.add("Clip", x, w.constant(p.min), w.constant(p.max))


@converts("Threshold")
def threshold(w, layer, x):
    bound = w.constant(layer.proto.threshold_param.threshold)
    return w.cast(w.add("Greater", x, bound))


@converts("Dropout")
def dropout(w, layer, x):
    return w.add("Identity", x)


@converts("Power")
def power(w, layer, x):
    p = layer.proto.power_param
    if p.power * p.scale == 0:
        value = 1 if p.power == 0 else p.shift**p.power
        return w.add("Expand", w.constant(value), w.add("Shape", x))
    top = _power(w, w.plus(w.times(x, p.scale), p.shift), p.power)
    return w.add("Identity", x) if top == x else top


def _power(w, x, exponent):
    return x if exponent == 1 else w.add("Pow", x, w.constant(exponent))


@converts("Exp")
def exponential(w, layer, x):
    p = layer.proto.exp_param
    factor = 1.0 if p.base == -1 else math.log(p.base)
    return w.add("Exp", w.plus(w.times(x, p.scale * factor), p.shift * factor))


@converts("Log")
def logarithm(w, layer, x):
    p = layer.proto.log_param
    top = w.add("Log", w.plus(w.times(x, p.scale), p.shift))
    return top if p.base == -1 else w.times(top, 1 / math.log(p.base))


@converts("Eltwise")
def eltwise(w, layer, *inputs):
    p = layer.proto.eltwise_param
    operators = {
        pb.EltwiseParameter.SUM: "Add", pb.EltwiseParameter.PROD: "Mul",
        pb.EltwiseParameter.MAX: "Max",
    }  # fmt: skip
    top, *others = map(w.times, inputs, list(p.coeff) or [1] * len(inputs))
    for x in others:
        top = w.add(operators[p.operation], top, x)
    return top


@converts("Softmax")
def softmax(w, layer, x):
    return w.add("Softmax", x, axis=layer.axis(layer.proto.softmax_param.axis))


@converts("Concat")
def concat(w, layer, *inputs):
    return w.add("Concat", *inputs, axis=concat_axis(layer.proto, layer.shapes[0]))


@converts("Slice")
def slice_(w, layer, x):
    axis, tops = concat_axis(layer.proto, layer.shapes[0]), len(layer.proto.top)
    points, size = list(layer.proto.slice_param.slice_point), layer.shapes[0][axis]
    if not points:
        points = [size // tops * i for i in range(1, tops)]
    lengths = [end - start for start, end in zip([0, *points], [*points, size])]
    if tops == 1:
        return w.add("Identity", x)
    return w.add("Split", x, w.integers(*lengths), outputs=tops, axis=axis)


@converts("Crop")
def crop(w, layer, x, like):
    p, axes = layer.proto.crop_param, len(layer.shapes[0])
    cropped = range(layer.axis(p.axis), axes)
    offsets = list(p.offset) if len(p.offset) > 1 else list(p.offset or [0]) * len(cropped)
    starts = w.integers(*offsets)
    return w.slice(x, cropped, starts, w.add("Add", starts, w.sizes(like, *cropped)))


@converts("Flatten")
def flatten(w, layer, x):
    p = layer.proto.flatten_param
    first, last = layer.axis(p.axis), layer.axis(p.end_axis)
    return _reshaped(w, layer, x, first, [-1], last + 1)


@converts("Reshape")
def reshape(w, layer, x):
    p, axes = layer.proto.reshape_param, len(layer.shapes[0])
    first = p.axis if p.axis >= 0 else axes + 1 + p.axis
    return _reshaped(
        w, layer, x, first, list(p.shape.dim), axes if p.num_axes == -1 else first + p.num_axes
    )


def _reshaped(w, layer, x, first, dims, end):
    """`x` with `dims` in place of its axes from `first` to `end`; ONNX too copies a size for 0."""
    shape = [w.integers(*[0] * first, *dims)]
    if end < len(layer.shapes[0]):
        shape.append(w.sizes(x, *range(end, len(layer.shapes[0]))))
    return w.add("Reshape", x, w.join(*shape))


@converts("Tile")
def tile(w, layer, x):
    p = layer.proto.tile_param
    return w.add("Concat", *[x] * p.tiles, axis=layer.axis(p.axis))


@converts("ArgMax")
def argmax(w, layer, x):
    p = layer.proto.argmax_param
    if p.top_k != 1 or p.out_max_val:
        raise layer.error("only top_k: 1 without out_max_val can be exported.")
    if p.HasField("axis"):
        return w.cast(w.add("ArgMax", x, axis=layer.axis(p.axis), keepdims=1))
    index = w.add("ArgMax", w.add("Flatten", x), axis=1, keepdims=1)
    axes = max(3, len(layer.shapes[0]))
    return w.add("Unsqueeze", w.cast(index), w.integers(*range(2, axes)))


@converts("Reduction")
def reduction(w, layer, x):
    p = layer.proto.reduction_param
    operators = {
        pb.ReductionParameter.SUM: "ReduceSum", pb.ReductionParameter.ASUM: "ReduceL1",
        pb.ReductionParameter.SUMSQ: "ReduceSumSquare", pb.ReductionParameter.MEAN: "ReduceMean",
    }  # fmt: skip
    axes = w.integers(*range(layer.axis(p.axis), len(layer.shapes[0])))
    return w.times(w.add(operators[p.operation], x, axes, keepdims=0), p.coeff)


@converts("Interp")
def interp(w, layer, x, *like):
    found = interpolation(layer.proto)
    if found.begin or found.end:
        begins, ends = w.integers(found.begin, found.begin), w.integers(found.end, found.end)
        x = w.slice(x, (2, 3), begins, w.add("Sub", w.sizes(x, 2, 3), ends))
    if like:
        sizes = w.sizes(*like, 2, 3)
    elif found.sizes:
        sizes = w.integers(*found.sizes)
    else:
        sizes, one = w.add("Sub", w.sizes(x, 2, 3), w.integers(1, 1)), w.integers(1, 1)
        sizes = w.add("Div", sizes, w.integers(found.shrink, found.shrink))
        sizes = w.add("Add", w.add("Mul", sizes, w.integers(found.zoom, found.zoom)), one)
    sizes = w.join(w.sizes(x, 0, 1), sizes)
    how = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    return w.add("Resize", x, "", "", sizes, **how)
