"""Other ways to say what BVLC Caffe can say, in texts of forks and converters.

Where the meaning is certain they are read into BVLC Caffe's own fields, with a note:

- `hole` of DeepLab's first Caffe is `dilation`, and the `ignore_label` of its `softmaxloss_param`
  that of `loss_param`;
- `ceil_mode` of several forks and converters is `round_mode`;
- `CROP` of the first FCN release, a V1 layer, and `AutoCrop` of RCF's Caffe are `Crop` with the
  offset that follows from the net;
- `DepthwiseConvolution`, a faster program for grouped convolutions, is `Convolution`.

A `Crop` without an offset cuts from 0, as in BVLC Caffe, although the Caffes before it computed the
offset: where the net implies another one, the reader of the file should know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from caffeformat.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from . import pb

    # From a net and the index of a Crop layer in it to the layer's offset
    OffsetOf = Callable[[pb.NetParameter, int], "int | tuple[int, ...]"]

_MOST_CROPS = 200  # whose offsets are computed; each looks at all layers before it
_Function = TypeVar("_Function", bound="OffsetOf")
_offset_of: list[OffsetOf] = []


class Reading(str):
    """A note on what was read as something else, which a reader of the file should see."""

    __slots__ = ()


def computes_crop_offsets(function: _Function) -> _Function:
    """Decorator: geometry, which builds on this room, brings how Crop offsets are computed."""
    _offset_of[:] = [function]
    return function


def read_dialects(net: pb.NetParameter) -> list[Reading]:
    """Turn other spellings in the layers of `net` into BVLC Caffe's, in place; returns notes.

    Raises `InputError` where a layer has both.
    """
    notes = []
    for layer in net.layer:
        for read in _READERS:
            note = read(layer)
            if note:
                notes.append(Reading(f'layer "{layer.name}": {note}'))
    automatic = [number for number, layer in enumerate(net.layer) if layer.type == "AutoCrop"]
    return notes + place_crops(net, automatic, "AutoCrop of RCF's Caffe")


def place_crops(
    net: pb.NetParameter,
    crops: Iterable[int],
    written: str = "CROP of the first FCN release",
) -> list[Reading]:
    """Turn the layers at the indices `crops` into Crops with the offsets that the net implies.

    `written` says what they were, in the notes that this returns. Raises `InputError` where the net
    implies no offset.
    """
    notes: list[Reading] = []
    for number in crops:
        layer = net.layer[number]
        if len(notes) == _MOST_CROPS:
            raise InputError(
                f'layer "{layer.name}": {written}; the offsets of {_MOST_CROPS} such layers at '
                'most are computed: write type: "Crop" with crop_param { axis: 2 offset: ... }'
            )
        layer.type = "Crop"
        layer.crop_param.axis = 2
        try:
            offset = _offset_of[0](net, number)
        except InputError as error:
            raise InputError(
                f'layer "{layer.name}": {written}, whose offset follows from the net, but not here '
                f'({error}); write type: "Crop" with crop_param {{ axis: 2 offset: ... }}'
            ) from error
        offsets = [offset] if isinstance(offset, int) else list(offset)
        layer.crop_param.offset.extend(offsets)
        shown = " x ".join(map(str, offsets))
        kind = written.partition(" ")[0]
        note = f'layer "{layer.name}": {kind} read as Crop with the computed offset {shown}'
        notes.append(Reading(note))
    return notes


def unplaced_crops(net: pb.NetParameter) -> list[str]:
    """Descriptions of the Crop layers that cut from 0 where the net implies another offset.

    Only those that state no offset: HED's Caffe and others before BVLC's computed it for them.
    """
    crops = [
        number
        for number, layer in enumerate(net.layer)
        if layer.type == "Crop" and len(layer.bottom) == 2 and not layer.crop_param.offset
    ]
    if not 0 < len(crops) <= _MOST_CROPS:
        return []
    placed, found = type(net)(), []
    placed.layer.extend(net.layer)
    for number in crops:
        layer = placed.layer[number]
        try:
            offset = _offset_of[0](placed, number)
        except InputError:
            continue  # the net implies none
        offsets = [offset] if isinstance(offset, int) else list(offset)
        if not any(offsets):
            continue
        # What lies above is placed as if this one were right.
        layer.crop_param.offset.extend(offsets)
        written = " ".join(f"offset: {value}" for value in offsets)
        found.append(
            f'layer "{layer.name}" (top "{layer.top[0] if layer.top else ""}"): cuts from 0, as in '
            f"BVLC Caffe, but the net implies crop_param {{ axis: {layer.crop_param.axis} "
            f"{written} }}"
        )
    return found


def _read_hole(layer: pb.LayerParameter) -> str:
    param = layer.convolution_param
    fields = [name for name in ("hole", "hole_h", "hole_w") if param.HasField(name)]
    if not fields:
        return ""
    if param.dilation:
        raise InputError(
            f'layer "{layer.name}": has both dilation and {fields[0]}, which is another name for '
            "it; keep dilation"
        )
    if "hole" in fields and len(fields) > 1:
        raise InputError(f'layer "{layer.name}": has both hole and {fields[1]}; keep one kind')
    if "hole" in fields:
        param.dilation.append(param.hole)
    else:
        param.dilation.extend([param.hole_h or 1, param.hole_w or 1])
    for name in fields:
        param.ClearField(name)
    return f"{' and '.join(fields)} read as dilation: {', '.join(map(str, param.dilation))}"


def _read_softmax_loss(layer: pb.LayerParameter) -> str:
    if not layer.HasField("softmaxloss_param"):
        return ""
    param, loss = layer.softmaxloss_param, layer.loss_param
    if param.weight_source:
        raise InputError(
            f'layer "{layer.name}": softmaxloss_param has a weight_source, whose weights of '
            "classes are not read here; write them as class_weighting in loss_param, with "
            "weight_by_label_freqs: true (which divides by the number of labels rather than by the "
            "sum of their weights)"
        )
    labels = list(dict.fromkeys(param.ignore_label))
    if len(labels) > 1 or (
        labels and loss.HasField("ignore_label") and labels != [loss.ignore_label]
    ):
        raise InputError(
            f'layer "{layer.name}": softmaxloss_param ignores {", ".join(map(str, labels))}'
            f"{' beside loss_param' if loss.HasField('ignore_label') else ''}, but a loss can "
            "ignore one label; keep one, and map the others to it in the labels"
        )
    layer.ClearField("softmaxloss_param")
    if not labels:
        return ""
    loss.ignore_label = labels[0]
    return f"ignore_label of softmaxloss_param read as that of loss_param: {labels[0]}"


def _read_strict_dim(layer: pb.LayerParameter) -> str:
    if not layer.HasField("strict_dim"):
        return ""
    is_strict = layer.strict_dim
    layer.ClearField("strict_dim")
    return "" if is_strict else "strict_dim: weights must have the layer's own shape here"


def _read_depthwise(layer: pb.LayerParameter) -> str:
    if layer.type != "DepthwiseConvolution":
        return ""
    if layer.convolution_param.group < 2:
        raise InputError(
            f'layer "{layer.name}": DepthwiseConvolution without a group; write type: '
            '"Convolution" with group and num_output: the number of channels'
        )
    layer.type = "Convolution"
    return f"DepthwiseConvolution read as Convolution with group: {layer.convolution_param.group}"


def _read_ceil_mode(layer: pb.LayerParameter) -> str:
    param = layer.pooling_param
    if not param.HasField("ceil_mode"):
        return ""
    mode = param.CEIL if param.ceil_mode else param.FLOOR
    if param.HasField("round_mode") and param.round_mode != mode:
        raise InputError(
            f'layer "{layer.name}": its ceil_mode and its round_mode contradict each other; keep '
            "round_mode"
        )
    given = "true" if param.ceil_mode else "false"
    param.round_mode = mode
    param.ClearField("ceil_mode")
    return f"ceil_mode: {given} read as round_mode: {'CEIL' if mode == param.CEIL else 'FLOOR'}"


_READERS = (_read_hole, _read_softmax_loss, _read_ceil_mode, _read_strict_dim, _read_depthwise)
