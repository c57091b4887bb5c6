"""What rules about shapes ask of a layer's bottoms, refused with the layer's name."""

from .errors import InputError


def normal_axis(layer, axis, shape):
    """`axis`, which may count from the end (-1 is the last), from the front."""
    if not -len(shape) <= axis < len(shape):
        raise InputError(f'layer "{layer.name}": no axis {axis} in the shape {shape} of its bottom')
    return axis % len(shape)


def image_shape(layer, shape):
    """`shape`, refused unless it is N x C x H x W."""
    if len(shape) != 4:
        raise InputError(f'layer "{layer.name}": takes N x C x H x W blobs, its bottom is {shape}')
    return shape


def two_bottoms(layer, bottoms):
    """`bottoms`, refused unless there are two."""
    if len(bottoms) != 2:
        raise InputError(f'layer "{layer.name}": has {len(bottoms)} bottoms; expected two')
    return bottoms
