"""Removes the padding from a classifier, so that scores are computed from pixels alone.

Zeros around feature maps make a score depend on where the image ends. Without them, branches with
kernels of different size keep different parts of what they read, and no longer fit together
(GoogLeNet's inceptions, ResNet's shortcuts): Crop layers take from each what all of them have, at
the places where the classifier itself joins them. So every score is a function of one whole window
of the image, and `convolutionalize` gives the scores of all windows of a larger one:

    one = without_padding(read_net("deploy.prototxt"))   # reads a window, larger than before
    dense = convolutionalize(one)                        # the same for each window of an image
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from caffeformat import InputError, geometry, infer_shapes, pb
from caffeformat.geometry import SAME_SHAPE, convolution_windows, pooling_windows
from caffeformat.messages import distinct_layers, without_layers

from .blobs import add_crop, add_layer, ancestors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

    # A value for height and one for width
    Pair = tuple[int, int]
    Fields = Mapping[str, geometry.ReceptiveField]

# What these compute at one place depends on a whole map, or on zeros of their own around it.
_WHOLE_MAP = ("MVN", "Normalize")
_KNOWN = (SAME_SHAPE - set(_WHOLE_MAP)) | {"Convolution", "Pooling", "Concat", "Eltwise", "Slice"}
_JOINS = ("Concat", "Eltwise")


class _Misaligned(NamedTuple):
    """A branch that cannot be cropped where it is joined, as that would take part of a stride."""

    # Index of the layer that joins it with others
    join: int
    # Its blob
    branch: str
    # How many pixels of the image it lies before the others
    lacks: Sequence[int | Fraction]


def without_padding(net: pb.NetParameter) -> pb.NetParameter:
    """A copy of the filtered deploy `net` of a classifier in which no layer pads.

    Names and weights stay. Poolings round down, so that no window extends past the end of any
    image, and the Input layer gets the smallest size at which the fully connected part (inner
    products, global pooling) reads a grid of the classifier's own size. At a join, the others are
    cropped to the branch that sees most; where branches stride, a frame may have to be cut off
    before that (`<blob>_inner` is a pooling that only provides its size). Raises `InputError` for
    layers that depend on a whole map, and for nets without an Input layer of known size.
    """
    net = distinct_layers(net)
    source, shape = _image(net)
    fields = geometry.receptive_fields(net)
    _check_layers(net, fields)
    shifts, frames = _place(net, fields)
    made = without_layers(net)
    for layer in net.layer:
        new = pb.LayerParameter()
        new.CopyFrom(layer)
        if layer.name in frames:
            new.bottom[0] = _take_frame(made, new.bottom[0], frames[layer.name])
        if _is_join(layer, fields):
            _crop_together(made, new, shifts, fields)
        _drop_padding(new)
        made.layer.append(new)
    _set_size(made, source, shape, net, fields)
    return made


def _image(net: pb.NetParameter) -> tuple[int, tuple[int, ...]]:
    """The one Input layer of images, by its index, and their shape."""
    found = [
        (number, tuple(layer.input_param.shape[0].dim))
        for number, layer in enumerate(net.layer)
        if layer.type == "Input" and layer.input_param.shape
    ]
    if len(found) != 1 or len(found[0][1]) != 4:
        raise InputError(
            f"classifier {net.name!r}: expected one Input layer of N x C x H x W, found "
            f"{[shape for _, shape in found] or 'none'}; pass its deploy net"
        )
    return found[0]


def _check_layers(net: pb.NetParameter, fields: Fields) -> None:
    """Refuse layers before the scores that compute a place from more than what lies around it."""
    for layer in net.layer:
        if not layer.top or not any(bottom in fields for bottom in layer.bottom):
            continue
        within = layer.lrn_param.norm_region == pb.LRNParameter.WITHIN_CHANNEL
        if layer.type in _WHOLE_MAP or (layer.type == "LRN" and within):
            raise InputError(
                f'layer "{layer.name}" ({layer.type}): its value at one place depends on the '
                "whole map or on its border, so that no window of a larger image has the same "
                "values; remove it from the classifier"
            )
        is_spatial = layer.top[0] in fields
        if is_spatial and (
            layer.type not in _KNOWN or (len(layer.bottom) > 1 and layer.type not in _JOINS)
        ):
            raise InputError(
                f'layer "{layer.name}" ({layer.type}, {len(layer.bottom)} bottoms): expected '
                "convolutions, poolings, channel-wise layers and branches joined by Concat or "
                "Eltwise before the scores"
            )
        lost = [bottom for bottom in layer.bottom if bottom not in fields]
        if layer.type in ("Concat", "Slice") and not lost and not is_spatial:
            raise InputError(
                f'layer "{layer.name}" ({layer.type}): moves places of its bottoms; only channels '
                "can be joined and split before the scores"
            )
        if layer.type in _JOINS and lost:
            raise InputError(
                f'layer "{layer.name}": joins "{lost[0]}", which is computed from the whole image, '
                "with a map of places; remove that path from the classifier"
            )


def _is_join(layer: pb.LayerParameter, fields: Fields) -> bool:
    return layer.type in _JOINS and len(layer.bottom) > 1 and layer.bottom[0] in fields


def _place(
    net: pb.NetParameter, fields: Fields
) -> tuple[dict[str, Sequence[int | Fraction]], dict[str, Pair]]:
    """Where blobs lie without padding: ({blob: shift}, {layer: frame}), each (height, width).

    shift: by how many pixels of the image values lie further in than the classifier's own; frame:
    how many pixels of its bottom a layer must lose on every side for branches to align.
    """
    frames: dict[str, Pair] = {}
    join = 0
    # Each round settles one join for good, unless another frame undoes it.
    for _ in net.layer:
        shifts, misaligned = _shifts(net, fields, frames)
        if misaligned is None:
            return shifts, frames
        join = misaligned.join
        name, frame = _frame(net, fields, misaligned)
        before = frames.get(name, (0, 0))
        frames[name] = before[0] + frame[0], before[1] + frame[1]
    raise InputError(
        f'layer "{net.layer[join].name}": without padding no crops align its branches together '
        "with those of the other joins"
    )


def _shifts(
    net: pb.NetParameter, fields: Fields, frames: Mapping[str, Pair]
) -> tuple[dict[str, Sequence[int | Fraction]], _Misaligned | None]:
    """The shifts of blobs up to the first join of branches that lie parts of a stride apart."""
    shifts: dict[str, Sequence[int | Fraction]] = {}
    for number, layer in enumerate(net.layer):
        if not layer.top or layer.top[0] not in fields:
            continue
        shift: Sequence[int | Fraction] = (0, 0)
        if _is_join(layer, fields):
            shift = tuple(map(max, zip(*(shifts[bottom] for bottom in layer.bottom))))
            stride = _pair(fields[layer.top[0]].stride)
            for bottom in layer.bottom:
                lacks = [(a - b) % s for a, b, s in zip(shift, shifts[bottom], stride)]
                if any(lacks):
                    return shifts, _Misaligned(number, bottom, lacks)
        elif layer.bottom:
            steps = _pair(fields[layer.bottom[0]].stride)
            lost = zip(_padding(layer), frames.get(layer.name, (0, 0)))
            before = shifts.get(layer.bottom[0], (0, 0))
            shift = tuple(a + sum(b) * s for a, b, s in zip(before, lost, steps))
        shifts.update((top, shift) for top in layer.top)
    return shifts, None


def _frame(net: pb.NetParameter, fields: Fields, misaligned: _Misaligned) -> tuple[str, Pair]:
    """The name of the layer before which a frame aligns the branch with others, and the frame."""
    join = net.layer[misaligned.join]
    lacks = misaligned.lacks
    others: set[int] = set()
    for bottom in join.bottom:
        if bottom != misaligned.branch:
            others.update(ancestors(net, bottom, misaligned.join))
    # The branch's own layers first, as what it shares with others moves these too.
    own = set(ancestors(net, misaligned.branch, misaligned.join))
    for number in sorted(own - others, reverse=True) + sorted(own & others, reverse=True):
        layer = net.layer[number]
        if layer.type not in ("Convolution", "Pooling"):
            continue
        steps = _pair(fields[layer.bottom[0]].stride)
        if all(lack % step == 0 for lack, step in zip(lacks, steps)):
            return layer.name, (int(lacks[0] / steps[0]), int(lacks[1] / steps[1]))
    raise InputError(
        f'layer "{join.name}": without padding its branch "{misaligned.branch}" lies '
        f"{' x '.join(str(lack) for lack in lacks)} pixels before the others, and no layer "
        "before it can be cropped by that much"
    )


def _padding(layer: pb.LayerParameter) -> Sequence[int]:
    if layer.type == "Convolution":
        return [window.pad for window in convolution_windows(layer, 2)]
    if layer.type == "Pooling":
        windows = pooling_windows(layer)
        return [window.pad for window in windows] if windows else (0, 0)
    return 0, 0


def _drop_padding(layer: pb.LayerParameter) -> None:
    param: pb.PoolingParameter | pb.ConvolutionParameter
    if layer.type == "Pooling" and not layer.pooling_param.global_pooling:
        param = layer.pooling_param
        layer.pooling_param.round_mode = pb.PoolingParameter.FLOOR
    elif layer.type == "Convolution":
        param = layer.convolution_param
    else:
        return
    for name in ("pad", "pad_h", "pad_w"):
        param.ClearField(name)


def _take_frame(made: pb.NetParameter, blob: str, frame: Pair) -> str:
    """Add layers that cut `frame` pixels off every side of the blob; returns the new blob."""
    inner = add_layer(made, f"{blob}_inner", "Pooling", blob)
    # Its values are not used. A kernel of 2 n + 1 removes n pixels on every side.
    inner.pooling_param.kernel_h, inner.pooling_param.kernel_w = (2 * n + 1 for n in frame)
    return _crop(made, blob, inner.top[0], frame)


def _crop_together(
    made: pb.NetParameter,
    join: pb.LayerParameter,
    shifts: Mapping[str, Sequence[int | Fraction]],
    fields: Fields,
) -> None:
    """Let `join` read what all its bottoms have: the places of the one that sees most."""
    seen = geometry.receptive_fields(made)
    # Without padding the first value sees as many pixels before its center as after it.
    centers = {bottom: _pair(seen[bottom].center) for bottom in join.bottom}
    stride = _pair(fields[join.top[0]].stride)
    shift = tuple(map(max, zip(*(shifts[bottom] for bottom in join.bottom))))
    offsets = {
        bottom: [int((a - b) / s) for a, b, s in zip(shift, shifts[bottom], stride)]
        for bottom in join.bottom
    }
    last = tuple(map(max, zip(*centers.values())))
    tall = max(centers, key=lambda bottom: centers[bottom])
    replaced = {bottom: bottom for bottom in join.bottom}
    if centers[tall] != last:
        # As of kernels 3x1 and 1x3 side by side: one has the height that all have, one the width.
        wide = max(centers, key=lambda bottom: centers[bottom][1])
        replaced[tall] = _crop(made, tall, wide, offsets[tall][1:], axis=3)
    for bottom, center in centers.items():
        if bottom != tall and center != last:
            replaced[bottom] = _crop(made, bottom, replaced[tall], offsets[bottom])
    bottoms = [replaced[bottom] for bottom in join.bottom]
    del join.bottom[:]
    join.bottom.extend(bottoms)


def _crop(
    made: pb.NetParameter, blob: str, reference: str, offset: Sequence[int], axis: int = 2
) -> str:
    return add_crop(made, f"{blob}_crop", blob, reference, offset, axis).top[0]


def _set_size(
    made: pb.NetParameter,
    source: int,
    shape: Sequence[int],
    net: pb.NetParameter,
    fields: Fields,
) -> None:
    """Give the image the smallest size at which the scores read the classifier's own grid."""
    ends = [
        layer.bottom[0]
        for layer in net.layer
        if layer.bottom and layer.bottom[0] in fields and layer.top and layer.top[0] not in fields
    ] or [net.layer[-1].top[0]]
    own, first = infer_shapes(net), geometry.receptive_fields(made)[ends[0]]
    grids = zip(own[ends[0]][2:], _pair(first.center), _pair(first.stride))
    size = [int(2 * center + 1 + stride * (count - 1)) for count, center, stride in grids]
    del made.layer[source].input_param.shape[:]
    made.layer[source].input_param.shape.add().dim.extend((*shape[:2], *size))
    shapes = infer_shapes(made)
    for end in ends:
        if shapes[end][2:] != own[end][2:]:
            raise InputError(
                f'blob "{end}": has {own[end][2]} x {own[end][3]} places in the classifier, and '
                f'without padding {shapes[end][2]} x {shapes[end][3]} where "{ends[0]}" has its '
                "own; keep only one fully connected part"
            )


def _pair(values: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """One value each for height and width, from one per axis or one for all."""
    return tuple(values) * (2 // len(values))
