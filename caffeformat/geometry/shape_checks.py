"""Checks of a layer's bottoms for the rules about shapes; errors name the layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffeformat.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffeformat.messages import pb

    Shape = tuple[int, ...]


def normal_axis(layer: pb.LayerParameter, axis: int, shape: Shape) -> int:
    """`axis` counted from the front; it may count from the end (-1 is the last)."""
    if not -len(shape) <= axis < len(shape):
        raise InputError(f'layer "{layer.name}": no axis {axis} in the shape {shape} of its bottom')
    return axis % len(shape)


def image_shape(layer: pb.LayerParameter, shape: Shape) -> Shape:
    """`shape`; `InputError` unless it is N x C x H x W."""
    if len(shape) != 4:
        raise InputError(
            f'layer "{layer.name}": expected a bottom of shape N x C x H x W, found {shape}'
        )
    return shape


def two_bottoms(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> Sequence[Shape]:
    """`bottoms`; `InputError` unless there are two."""
    if len(bottoms) != 2:
        raise InputError(f'layer "{layer.name}": has {len(bottoms)} bottoms; expected two')
    return bottoms
