"""A classifier without padding, whose scores are computed from pixels of its image alone.

Zeros around feature maps let a score depend on where the image ends. Without them, branches with
kernels of different size leave over different parts of what they read, and no longer fit together
(GoogLeNet's inceptions, ResNet's shortcuts): Crop layers take from each what all of them have, at
the places where the classifier itself joins them. So every score is a function of one whole window
of the image, and `fcnkit.convolutionalize` gives the scores of all windows of a larger one:

    one = without_padding(read_net("deploy.prototxt"))   # reads a window, larger than before
    dense = convolutionalize(one)                        # the same for each window of an image
"""

import collections

from caffeformat import InputError, geometry, infer_shapes, pb
from caffeformat.shape_rules import SAME_SHAPE
from caffeformat.windows import convolution_windows, pooling_windows

from .auto_surgery_crops import unused

# What these compute at one place depends on a whole map, or on zeros of their own around it.
_WHOLE_MAP = ("MVN", "Normalize")
_KNOWN = (SAME_SHAPE - set(_WHOLE_MAP)) | {"Convolution", "Pooling", "Concat", "Eltwise", "Slice"}
_JOINS = ("Concat", "Eltwise")

# A branch that lies `lacks` pixels of the image (height, width) before the others at the layer
# with the index `join`, and cannot be cropped there, as these are no whole strides.
_Short = collections.namedtuple("_Short", "join branch lacks")


def without_padding(net):
    """A copy of the filtered deploy `net` of a classifier in which no layer pads.

    Names and weights stay. Poolings round down, so that no window reaches over the end of any
    image, and the Input layer gets the smallest size at which the fully connected part (inner
    products, global pooling) reads a grid of the classifier's own size. At a join, the branch that
    sees most is the one others are cropped to; where branches stride, a frame may have to be taken
    off before that (`<blob>_inner`, a pooling that only tells its size). Raises `InputError` for
    layers that look at a whole map, and for nets without an Input layer that tells a size.
    """
    source, shape = _image(net)
    fields = geometry.receptive_fields(net)
    _check_layers(net, fields)
    shifts, frames = _place(net, fields)
    made = pb.NetParameter()
    made.CopyFrom(net)
    del made.layer[:]
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


def _image(net):
    """The one Input layer of images, by its index, and their shape."""
    found = [
        (number, tuple(layer.input_param.shape[0].dim))
        for number, layer in enumerate(net.layer)
        if layer.type == "Input" and layer.input_param.shape
    ]
    if len(found) != 1 or len(found[0][1]) != 4:
        raise InputError(
            f"classifier {net.name!r}: expected one Input layer of N x C x H x W, found "
            f"{[shape for _, shape in found] or 'none'}: give its deploy net"
        )
    return found[0]


def _check_layers(net, fields):
    """Only layers that compute each place from what lies around it may come before the scores."""
    for layer in net.layer:
        if not layer.top or not any(bottom in fields for bottom in layer.bottom):
            continue
        within = layer.lrn_param.norm_region == pb.LRNParameter.WITHIN_CHANNEL
        if layer.type in _WHOLE_MAP or (layer.type == "LRN" and within):
            raise InputError(
                f'layer "{layer.name}" ({layer.type}): what it makes of one place depends on the '
                "whole map or on its border, so that no window of a larger image has the same "
                "values: take it out of the classifier"
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
                f'layer "{layer.name}" ({layer.type}): puts places of its bottoms elsewhere; only '
                "channels can be joined and parted before the scores"
            )
        if layer.type in _JOINS and lost:
            raise InputError(
                f'layer "{layer.name}": joins "{lost[0]}", which is computed from the whole image, '
                "with a map of places: take that path out of the classifier"
            )


def _is_join(layer, fields):
    return layer.type in _JOINS and len(layer.bottom) > 1 and layer.bottom[0] in fields


def _place(net, fields):
    """Where blobs lie without padding: ({blob: shift}, {layer: frame}), each (height, width).

    shift: by how many pixels of the image values lie further in than the classifier's own; frame:
    how many pixels of its bottom a layer has to lose on every side for branches to meet.
    """
    frames = {}
    # Each round mends one join for good, unless another frame undoes it.
    for _ in net.layer:
        shifts, short = _shifts(net, fields, frames)
        if short is None:
            return shifts, frames
        name, frame = _frame(net, fields, short)
        frames[name] = tuple(a + b for a, b in zip(frames.get(name, (0, 0)), frame))
    raise InputError(
        f'layer "{net.layer[short.join].name}": without padding no crops bring its branches '
        "together for this and the other joins"
    )


def _shifts(net, fields, frames):
    """The shifts of blobs, as far as the first join of branches that lie between strides."""
    shifts = {}
    for number, layer in enumerate(net.layer):
        if not layer.top or layer.top[0] not in fields:
            continue
        shift = (0, 0)
        if _is_join(layer, fields):
            shift = tuple(map(max, zip(*(shifts[bottom] for bottom in layer.bottom))))
            stride = _pair(fields[layer.top[0]].stride)
            for bottom in layer.bottom:
                lacks = [(a - b) % s for a, b, s in zip(shift, shifts[bottom], stride)]
                if any(lacks):
                    return shifts, _Short(number, bottom, lacks)
        elif layer.bottom:
            steps = _pair(fields[layer.bottom[0]].stride)
            lost = zip(_padding(layer), frames.get(layer.name, (0, 0)))
            before = shifts.get(layer.bottom[0], (0, 0))
            shift = tuple(a + sum(b) * s for a, b, s in zip(before, lost, steps))
        shifts.update((top, shift) for top in layer.top)
    return shifts, None


def _frame(net, fields, short):
    """The layer, by name, before which a frame lets the branch meet the others; and the frame."""
    join = net.layer[short.join]
    others = set()
    for bottom in join.bottom:
        if bottom != short.branch:
            others |= _ancestors(net, bottom, short.join)
    # The branch's own layers first, as what it shares with others moves these too.
    own = _ancestors(net, short.branch, short.join)
    for number in sorted(own - others, reverse=True) + sorted(own & others, reverse=True):
        layer = net.layer[number]
        if layer.type not in ("Convolution", "Pooling"):
            continue
        steps = _pair(fields[layer.bottom[0]].stride)
        if all(lack % step == 0 for lack, step in zip(short.lacks, steps)):
            return layer.name, tuple(int(a / b) for a, b in zip(short.lacks, steps))
    raise InputError(
        f'layer "{join.name}": without padding its branch "{short.branch}" lies '
        f"{' x '.join(str(lack) for lack in short.lacks)} pixels before the others, and no layer "
        "before it can be cropped by as much"
    )


def _ancestors(net, blob, end):
    """Indices of the layers before `end` that the blob is computed by."""
    wanted, found = {blob}, set()
    for number in reversed(range(end)):
        if wanted.intersection(net.layer[number].top):
            wanted.update(net.layer[number].bottom)
            found.add(number)
    return found


def _padding(layer):
    if layer.type == "Convolution":
        return [window.pad for window in convolution_windows(layer, 2)]
    if layer.type == "Pooling":
        return [window.pad for window in pooling_windows(layer)]
    return 0, 0


def _drop_padding(layer):
    if layer.type == "Pooling" and not layer.pooling_param.global_pooling:
        param = layer.pooling_param
        param.round_mode = pb.PoolingParameter.FLOOR
    elif layer.type == "Convolution":
        param = layer.convolution_param
    else:
        return
    for name in ("pad", "pad_h", "pad_w"):
        param.ClearField(name)


def _take_frame(made, blob, frame):
    """Add layers that take `frame` pixels off every side of the blob; returns the rest's name."""
    inner = _add(made, f"{blob}_inner", "Pooling", [blob])
    # Its values are not used. A kernel of 2 n + 1 leaves n pixels less on every side.
    inner.pooling_param.kernel_h, inner.pooling_param.kernel_w = (2 * n + 1 for n in frame)
    return _crop(made, blob, inner.top[0], frame)


def _crop_together(made, join, shifts, fields):
    """Let `join` read what all its bottoms have: the places of the one that sees most."""
    seen = geometry.receptive_fields(made)
    # Without padding the first value sees as many pixels before its center as behind it.
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
        replaced[tall] = _crop(made, tall, wide, offsets[tall], axis=3)
    for bottom, center in centers.items():
        if bottom != tall and center != last:
            replaced[bottom] = _crop(made, bottom, replaced[tall], offsets[bottom])
    bottoms = [replaced[bottom] for bottom in join.bottom]
    del join.bottom[:]
    join.bottom.extend(bottoms)


def _crop(made, blob, reference, offset, axis=2):
    layer = _add(made, f"{blob}_crop", "Crop", [blob, reference])
    layer.crop_param.axis = axis
    offset = list(offset)[axis - 2 :]
    layer.crop_param.offset.extend(offset[:1] if len(set(offset)) == 1 else offset)
    return layer.top[0]


def _add(made, name, kind, bottoms):
    name = unused(name, {taken for layer in made.layer for taken in (layer.name, *layer.top)})
    return made.layer.add(name=name, type=kind, bottom=bottoms, top=[name])


def _set_size(made, source, shape, net, fields):
    """Give the image the smallest size that leaves the classifier's own grid to its scores."""
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
                "own: keep one fully connected part only"
            )


def _pair(values):
    """One value for height and width, of those of all axes or of each."""
    return tuple(values) * (2 // len(values))
