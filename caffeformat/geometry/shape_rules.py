"""How each of Caffe's layer types derives the shapes of its tops from those of its bottoms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from caffeformat.errors import InputError

from . import fork_shapes
from .shape_checks import image_shape, normal_axis, two_bottoms
from .windows import (
    convolution_windows,
    convolved_size,
    deconvolved_size,
    pooled_size,
    pooling_windows,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from caffeformat.messages import pb

    from .shape_checks import Shape


# Types whose tops have the shape of their first bottom
SAME_SHAPE = frozenset([
    "AbsVal", "BN", "BNLL", "BatchNorm", "Bias", "Clip", "Dropout", "ELU", "Exp", "LRN", "Log",
    "MVN", "Normalize", "PReLU", "Power", "ReLU", "Scale", "Sigmoid", "Softmax", "Split", "Swish",
    "TanH", "Threshold",
])  # fmt: skip
# Types whose first top is one number, whatever their bottoms
LOSSES = frozenset([
    "Accuracy", "ContrastiveLoss", "EuclideanLoss", "HingeLoss", "InfogainLoss",
    "MultinomialLogisticLoss", "SigmoidCrossEntropyLoss", "SoftmaxWithLoss",
])  # fmt: skip


def _input(layer: pb.LayerParameter) -> list[Shape]:
    return _one_per_top(layer, [tuple(shape.dim) for shape in layer.input_param.shape])


def _dummy_data(layer: pb.LayerParameter) -> list[Shape]:
    param = layer.dummy_data_param
    old: list[Shape] = list(zip(param.num, param.channels, param.height, param.width))
    return _one_per_top(layer, [tuple(shape.dim) for shape in param.shape] or old)


def _one_per_top(layer: pb.LayerParameter, shapes: list[Shape]) -> list[Shape]:
    if len(shapes) not in (1, len(layer.top)):
        raise InputError(
            f'layer "{layer.name}": {len(shapes)} shapes for {len(layer.top)} tops; expected one, '
            "or one per top"
        )
    return shapes * len(layer.top) if len(shapes) == 1 else shapes


def _memory_data(layer: pb.LayerParameter) -> list[Shape]:
    param = layer.memory_data_param
    batch = param.batch_size
    return [(batch, param.channels, param.height, param.width), (batch,)]


def _parameter(layer: pb.LayerParameter) -> list[Shape]:
    return [tuple(layer.parameter_param.shape.dim)]


def _same(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    return [bottoms[0]] * len(layer.top)


def loss_shapes(layer: pb.LayerParameter, bottoms: Sequence[Shape | None]) -> list[Shape | None]:
    """A scalar; a second top is the softmax or, for Accuracy, one value per class."""
    first = bottoms[0]
    if len(layer.top) < 2 or first is None:
        return [(), *[None] * (len(layer.top) - 1)]
    if layer.type == "Accuracy":
        return [(), (first[normal_axis(layer, layer.accuracy_param.axis, first)],)]
    return [(), first]


def _alike(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> Shape:
    """The shape that all bottoms must have."""
    for name, shape in zip(layer.bottom, bottoms):
        if shape != bottoms[0]:
            raise InputError(
                f'layer "{layer.name}": its bottoms "{layer.bottom[0]}" {bottoms[0]} and "{name}" '
                f"{shape} differ in shape"
            )
    return bottoms[0]


def _convolution(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    param, shape = layer.convolution_param, _alike(layer, bottoms)
    axis = normal_axis(layer, param.axis, shape)
    channels, spatial = shape[axis], shape[axis + 1 :]
    if not param.num_output:
        raise InputError(f'layer "{layer.name}": its num_output is missing')
    if not param.group or channels % param.group or param.num_output % param.group:
        raise InputError(
            f'layer "{layer.name}": {channels} channels of its bottom "{layer.bottom[0]}" {shape} '
            f"and {param.num_output} outputs do not divide into {param.group} groups"
        )
    size = deconvolved_size if layer.type == "Deconvolution" else convolved_size
    windows = convolution_windows(layer, len(spatial)) if spatial else []
    sizes = tuple(size(layer, pixels, window) for pixels, window in zip(spatial, windows))
    return [shape[:axis] + (param.num_output,) + sizes] * len(layer.top)


def _im2col(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    shape = bottoms[0]
    axis = normal_axis(layer, layer.convolution_param.axis, shape)
    windows = convolution_windows(layer, len(shape) - axis - 1)
    sizes = tuple(convolved_size(layer, s, w) for s, w in zip(shape[axis + 1 :], windows))
    patch = math.prod(window.kernel for window in windows)
    return [shape[:axis] + (shape[axis] * patch,) + sizes] * len(layer.top)


def _pooling(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    shape = image_shape(layer, bottoms[0])
    windows = pooling_windows(layer)
    if windows is None:
        sizes: Shape = (1, 1)
    else:
        sizes = tuple(pooled_size(layer, s, w) for s, w in zip(shape[2:], windows))
    return [shape[:2] + sizes] * len(layer.top)


def _crop(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    param = layer.crop_param
    big, small = two_bottoms(layer, bottoms)
    if len(big) != len(small):
        raise InputError(
            f'layer "{layer.name}": cannot crop "{layer.bottom[0]}" {big} to "{layer.bottom[1]}" '
            f"{small}: they differ in their number of axes"
        )
    axis = normal_axis(layer, param.axis, big)
    offsets = list(param.offset) or [0]
    cropped = len(big) - axis
    if len(offsets) not in (1, cropped):
        raise InputError(
            f'layer "{layer.name}": {len(offsets)} offsets for {cropped} cropped axes; expected '
            "one, or one per axis"
        )
    offsets = offsets * cropped if len(offsets) == 1 else offsets
    for i, offset in enumerate(offsets, axis):
        if offset + small[i] > big[i]:
            raise InputError(
                f'layer "{layer.name}": cannot crop "{layer.bottom[0]}" {big} to '
                f'"{layer.bottom[1]}" {small}: axis {i} ends before offset {offset} + {small[i]}'
            )
    return [big[:axis] + small[axis:]]


def _eltwise(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    return [_alike(layer, bottoms)]


def concat_axis(layer: pb.LayerParameter, shape: Shape) -> int:
    """The axis along which a Concat or Slice layer works (`axis`, or the older `*_dim`)."""
    concat = layer.type == "Concat"
    param = layer.concat_param if concat else layer.slice_param
    old = "concat_dim" if concat else "slice_dim"
    if param.HasField(old) and param.HasField("axis"):
        raise InputError(
            f'layer "{layer.name}" ({layer.type}): has both axis and {old}, an older name of the '
            "same; leave one out"
        )
    return normal_axis(layer, getattr(param, old) if param.HasField(old) else param.axis, shape)


def _concat(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    axis = concat_axis(layer, bottoms[0])
    for name, shape in zip(layer.bottom, bottoms):
        if len(shape) != len(bottoms[0]) or any(
            a != b for i, (a, b) in enumerate(zip(shape, bottoms[0])) if i != axis
        ):
            raise InputError(
                f'layer "{layer.name}": its bottoms "{layer.bottom[0]}" {bottoms[0]} and "{name}" '
                f"{shape} differ on other axes than {axis}"
            )
    total = sum(shape[axis] for shape in bottoms)
    return [bottoms[0][:axis] + (total,) + bottoms[0][axis + 1 :]]


def _slice(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    shape, tops = bottoms[0], len(layer.top)
    axis = concat_axis(layer, shape)
    points = list(layer.slice_param.slice_point)
    if not points:
        if shape[axis] % tops or shape[axis] < tops:
            raise InputError(
                f'layer "{layer.name}": axis {axis} of its bottom {shape} does not divide into '
                f"{tops} tops"
            )
        points = list(range(shape[axis] // tops, shape[axis], shape[axis] // tops))
    bounds = [0, *points, shape[axis]]
    if len(bounds) != tops + 1 or any(b <= a for a, b in zip(bounds, bounds[1:])):
        raise InputError(
            f'layer "{layer.name}": slice points {points} do not cut axis {axis} of its bottom '
            f"{shape} into {tops} tops"
        )
    return [shape[:axis] + (b - a,) + shape[axis + 1 :] for a, b in zip(bounds, bounds[1:])]


def _inner_product(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    param = layer.inner_product_param
    if not param.num_output:
        raise InputError(f'layer "{layer.name}": its num_output is missing')
    return [bottoms[0][: normal_axis(layer, param.axis, bottoms[0])] + (param.num_output,)]


def _flatten(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    shape = bottoms[0]
    start = normal_axis(layer, layer.flatten_param.axis, shape)
    end = normal_axis(layer, layer.flatten_param.end_axis, shape)
    return [shape[:start] + (math.prod(shape[start : end + 1]),) + shape[end + 1 :]]


def _reshape(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    param, shape = layer.reshape_param, bottoms[0]
    # An axis counted from the end stands for the place after it: -1 adds axes at the end.
    start = param.axis if param.axis >= 0 else len(shape) + param.axis + 1
    end = len(shape) if param.num_axes == -1 else start + param.num_axes
    if not 0 <= start <= end <= len(shape):
        raise InputError(f'layer "{layer.name}": no axes {start} to {end} in its bottom {shape}')
    replaced, dims = shape[start:end], list(param.shape.dim)
    for i, dim in enumerate(dims):
        if dim == 0:
            if i >= len(replaced):
                raise InputError(f'layer "{layer.name}": dim {i} copies an axis that {shape} lacks')
            dims[i] = replaced[i]
    if dims.count(-1) == 1:
        rest = math.prod(dim for dim in dims if dim != -1)
        if rest and math.prod(replaced) % rest == 0:
            dims[dims.index(-1)] = math.prod(replaced) // rest
    if min(dims, default=0) < 0 or math.prod(dims) != math.prod(replaced):
        raise InputError(
            f'layer "{layer.name}": its bottom {shape} cannot be reshaped to '
            f"{tuple(param.shape.dim)}: the numbers of values differ"
        )
    return [shape[:start] + tuple(dims) + shape[end:]]


def _reduction(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    return [bottoms[0][: normal_axis(layer, layer.reduction_param.axis, bottoms[0])]]


def _tile(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    axis = normal_axis(layer, layer.tile_param.axis, bottoms[0])
    shape = list(bottoms[0])
    shape[axis] *= layer.tile_param.tiles
    return [tuple(shape)]


def _argmax(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    param, shape = layer.argmax_param, bottoms[0]
    if param.HasField("axis"):
        axis = normal_axis(layer, param.axis, shape)
        return [shape[:axis] + (param.top_k,) + shape[axis + 1 :]]
    ones = (1,) * (len(shape) - 3)
    return [(shape[0], 2 if param.out_max_val else 1, param.top_k) + ones]


def _mvn(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    """Four axes, whatever the bottom has: those that it lacks are 1."""
    (shape,) = bottoms
    if len(shape) > 4:
        raise InputError(
            f'layer "{layer.name}": expected a bottom of at most four axes, found {shape}'
        )
    return [shape + (1,) * (4 - len(shape))]


def _embed(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    return [bottoms[0] + (layer.embed_param.num_output,)]


def _batch_reindex(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    values, index = two_bottoms(layer, bottoms)
    return [index[:1] + values[1:]]


def _spp(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    shape, height = bottoms[0], layer.spp_param.pyramid_height
    if len(shape) != 4 or not 1 <= height <= min(shape[2:]).bit_length():
        raise InputError(
            f'layer "{layer.name}": a pyramid of height {height} does not fit its bottom {shape}'
        )
    if height == 1:
        return [shape[:2] + (1, 1)]
    # Level l pools into 2^l x 2^l cells.
    return [(shape[0], shape[1] * (4**height - 1) // 3)]


def _recurrent(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    sequence = bottoms[0][:2] + (layer.recurrent_param.num_output,)
    return [sequence] + [(1,) + sequence[1:]] * (len(layer.top) - 1)


def _lstm_unit(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    return [bottoms[0]] * 2


# Layers without bottoms that specify the shapes of their tops
SOURCES: dict[str, Callable[[pb.LayerParameter], list[Shape]]] = {
    "Input": _input,
    "DummyData": _dummy_data,
    "MemoryData": _memory_data,
    "Parameter": _parameter,
}
# Type -> function(layer, shapes of its bottoms) that returns the shapes of its tops
RULES: dict[str, Callable[[pb.LayerParameter, Sequence[Shape]], list[Shape]]] = {
    "ArgMax": _argmax,
    "BatchReindex": _batch_reindex,
    "Concat": _concat,
    "Convolution": _convolution,
    "Crop": _crop,
    "Deconvolution": _convolution,
    "Eltwise": _eltwise,
    "Embed": _embed,
    "Flatten": _flatten,
    "Im2col": _im2col,
    "InnerProduct": _inner_product,
    "LSTM": _recurrent,
    "LSTMUnit": _lstm_unit,
    "Pooling": _pooling,
    "RNN": _recurrent,
    "Reduction": _reduction,
    "Reshape": _reshape,
    "SPP": _spp,
    "Slice": _slice,
    "Tile": _tile,
    **dict.fromkeys(SAME_SHAPE, _same),
    "MVN": _mvn,
    **fork_shapes.RULES,
}
