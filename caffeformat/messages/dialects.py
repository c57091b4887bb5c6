"""Other ways to say what BVLC Caffe can say, in texts of forks and converters.

Where the meaning is certain they are read into BVLC Caffe's own fields, with a note:

- `hole` of DeepLab's first Caffe is `dilation`;
- `ceil_mode` of several forks and converters is `round_mode`;
- `CROP` of the first FCN release, a V1 layer, is `Crop` with the offset that follows from the net.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from caffeformat.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from . import pb

    # From a net and the index of a Crop layer in it to the layer's offset
    OffsetOf = Callable[[pb.NetParameter, int], "int | tuple[int, ...]"]

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
        for note in (_read_hole(layer), _read_ceil_mode(layer)):
            if note:
                notes.append(Reading(f'layer "{layer.name}": {note}'))
    return notes


def place_crops(net: pb.NetParameter, crops: Iterable[int]) -> list[Reading]:
    """Give the Crop layers at the indices `crops` the offsets that the net implies; returns notes.

    Raises `InputError` where the net implies none.
    """
    notes = []
    for number in crops:
        layer = net.layer[number]
        layer.crop_param.axis = 2
        try:
            offset = _offset_of[0](net, number)
        except InputError as error:
            raise InputError(
                f'layer "{layer.name}": CROP of the first FCN release, whose offset follows from '
                f'the net, but not here ({error}); write type: "Crop" with crop_param {{ axis: 2 '
                "offset: ... }"
            ) from error
        offsets = [offset] if isinstance(offset, int) else list(offset)
        layer.crop_param.offset.extend(offsets)
        shown = " x ".join(map(str, offsets))
        note = f'layer "{layer.name}": CROP read as Crop with the computed offset {shown}'
        notes.append(Reading(note))
    return notes


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
