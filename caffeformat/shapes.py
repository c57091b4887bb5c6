"""The shapes of a net's blobs from its text alone, by the rules of Caffe's layers."""

import math

from .errors import InputError
from .shape_rules import LOSSES, RULES, SOURCES, loss_shapes

_MOST_VALUES = (1 << 31) - 1


class BlobShapes(dict):
    """Blob name -> shape (tuple); asking for one that nothing tells is an `InputError`."""

    def __missing__(self, name):
        raise InputError(
            f'blob "{name}": its shape is not known; say it (in input_shapes, or by an Input layer)'
        )


def infer_shapes(net, input_shapes=None):
    """The shape of every blob of a filtered, current NetParameter: a dict of tuples.

    `input_shapes` (blob name -> shape) tells what the net's text does not: tops of Data and Python
    layers, blobs that no layer makes; it also replaces the shapes of Input layers. Blobs that stay
    unknown are left out, and asking for one, or a layer that needs one, is an `InputError`, as are
    shapes that do not fit (with the layer and both shapes).
    """
    given = {name: tuple(shape) for name, shape in (input_shapes or {}).items()}
    made = {top for layer in net.layer for top in layer.top}
    shapes = BlobShapes({name: shape for name, shape in given.items() if name not in made})
    for layer in net.layer:
        for top, shape in zip(layer.top, _top_shapes(layer, shapes, given)):
            if shape is not None:
                shapes[top] = _possible(layer, top, shape)
    return shapes


def _possible(layer, top, shape):
    if min(shape, default=0) < 0 or len(shape) > 32 or math.prod(shape) > _MOST_VALUES:
        raise InputError(
            f'layer "{layer.name}": its top "{top}" would have the shape {shape}; Caffe allows 32 '
            f"axes and {_MOST_VALUES} values"
        )
    return shape


def _top_shapes(layer, shapes, given):
    """Shapes of the tops of `layer`; None for those that nothing tells."""
    if not layer.bottom or layer.type == "Python":
        known = SOURCES[layer.type](layer) if layer.type in SOURCES else [None] * len(layer.top)
        return [given.get(top, shape) for top, shape in zip(layer.top, known)]
    if layer.type in LOSSES:
        return loss_shapes(layer, [shapes.get(bottom) for bottom in layer.bottom])
    if layer.type not in RULES:
        return [given.get(top) for top in layer.top]
    unknown = [bottom for bottom in layer.bottom if bottom not in shapes]
    if unknown:
        raise InputError(
            f'layer "{layer.name}" ({layer.type}): the shape of its bottom "{unknown[0]}" is not '
            "known; say it (in input_shapes, or by an Input layer)"
        )
    return RULES[layer.type](layer, [shapes[bottom] for bottom in layer.bottom])
