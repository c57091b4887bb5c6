"""The shapes of a net's blobs from its definition alone, by the rules of Caffe's layers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from caffeformat.errors import InputError
from caffeformat.messages import unknown_layer

from .shape_rules import LOSSES, RULES, SOURCES, loss_shapes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caffeformat.messages import pb

    from .shape_checks import Shape


_MOST_VALUES = (1 << 31) - 1


class BlobShapes(dict[str, "Shape"]):
    """Blob name -> shape (tuple); asking for one that is not known is an `InputError`."""

    def __missing__(self, name: str) -> Shape:
        raise InputError(
            f'blob "{name}": its shape is not known; specify it in input_shapes or an Input layer'
        )


def infer_shapes(
    net: pb.NetParameter, input_shapes: Mapping[str, Sequence[int]] | None = None
) -> BlobShapes:
    """The shape of every blob of a filtered, current NetParameter: a dict of tuples.

    `input_shapes` (blob name -> shape) specifies what the net does not: tops of Data and Python
    layers, and blobs that no layer makes. It also overrides the shapes of Input layers. Blobs whose
    shape stays unknown are left out; asking for one is an `InputError`. So are layers that need
    one, and shapes that do not fit (the message has the layer and both shapes).
    """
    given = {name: tuple(shape) for name, shape in (input_shapes or {}).items()}
    made = {top for layer in net.layer for top in layer.top}
    shapes = BlobShapes({name: shape for name, shape in given.items() if name not in made})
    makers: dict[str, pb.LayerParameter] = {}
    for layer in net.layer:
        found = _top_shapes(layer, shapes, given, makers)
        makers.update((top, layer) for top in layer.top)
        for top, shape in zip(layer.top, found):
            if shape is not None:
                shapes[top] = _possible(layer, top, shape)
    return shapes


def _unknown_bottom(layer: pb.LayerParameter, bottom: str, maker: pb.LayerParameter | None) -> str:
    """Why the shape of a bottom of `layer`, which the layer `maker` makes, is not known."""
    known = {*RULES, *SOURCES, *LOSSES, "Python"}
    if maker is not None and maker.bottom and maker.type not in known:
        return unknown_layer(maker, known)
    whose = ""
    if maker is not None and maker.type == "Python":
        param = maker.python_param
        whose = f', as the Python layer "{maker.name}" ({param.module}.{param.layer}) makes it'
    return (
        f'layer "{layer.name}" ({layer.type}): the shape of its bottom "{bottom}" is not known'
        f"{whose}; specify it in input_shapes or an Input layer"
    )


def _possible(layer: pb.LayerParameter, top: str, shape: Shape) -> Shape:
    if min(shape, default=0) < 0 or len(shape) > 32 or math.prod(shape) > _MOST_VALUES:
        raise InputError(
            f'layer "{layer.name}": its top "{top}" would have the shape {shape}; Caffe allows 32 '
            f"axes and {_MOST_VALUES} values"
        )
    return shape


def _top_shapes(
    layer: pb.LayerParameter,
    shapes: Mapping[str, Shape],
    given: Mapping[str, Shape],
    makers: Mapping[str, pb.LayerParameter],
) -> Sequence[Shape | None]:
    """Shapes of the tops of `layer`; None for those that are not known."""
    if not layer.bottom or layer.type == "Python":
        known: Sequence[Shape | None] = [None] * len(layer.top)
        if layer.type in SOURCES:
            known = SOURCES[layer.type](layer)
        return [given.get(top, shape) for top, shape in zip(layer.top, known)]
    if layer.type in LOSSES:
        return loss_shapes(layer, [shapes.get(bottom) for bottom in layer.bottom])
    if layer.type not in RULES:
        return [given.get(top) for top in layer.top]
    unknown = [bottom for bottom in layer.bottom if bottom not in shapes]
    if unknown:
        raise InputError(_unknown_bottom(layer, unknown[0], makers.get(unknown[0])))
    return RULES[layer.type](layer, [shapes[bottom] for bottom in layer.bottom])
