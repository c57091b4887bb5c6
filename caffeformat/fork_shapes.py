"""The shapes that layers of forks of Caffe make; see `shape_rules.py`."""

from .errors import InputError
from .shape_checks import image_shape, two_bottoms
from .windows import interpolated_sizes, upsampled_sizes


def _interp(layer, bottoms):
    shape = image_shape(layer, bottoms[0])
    reference = tuple(image_shape(layer, bottoms[1])[2:]) if len(bottoms) > 1 else None
    return [shape[:2] + interpolated_sizes(layer, shape[2:], reference)]


def _upsample(layer, bottoms):
    shape, mask = two_bottoms(layer, bottoms)
    image_shape(layer, shape)
    if mask != shape:
        raise InputError(
            f'layer "{layer.name}": its bottoms "{layer.bottom[0]}" {shape} and '
            f'"{layer.bottom[1]}" {mask} differ in shape; the mask is the second '
            "top of the Pooling that is undone"
        )
    return [shape[:2] + upsampled_sizes(layer, shape[2:])]


def axis_order(layer, count):
    """The bottom's axes in the order of the top's, of a Permute layer (SSD) for `count` axes.

    Axes that its `order` leaves out follow as they were.
    """
    order = list(layer.permute_param.order)
    if len(set(order)) < len(order) or any(axis >= count for axis in order):
        raise InputError(
            f'layer "{layer.name}": order {order} does not name axes of its bottom, 0 to '
            f"{count - 1}, each once"
        )
    return order + [axis for axis in range(count) if axis not in order]


def _permute(layer, bottoms):
    shape = bottoms[0]
    return [tuple(shape[axis] for axis in axis_order(layer, len(shape)))]


# Type -> function(layer, shapes of its bottoms) that gives the shapes of its tops
RULES = {"Interp": _interp, "Permute": _permute, "Upsample": _upsample}
