"""Compares the offsets of a net's Crop layers with those that its geometry implies."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from caffeformat import InputError, geometry, pb
from caffeformat.messages import keys_of_layers

if TYPE_CHECKING:
    from collections.abc import Iterable


class CropCheck(NamedTuple):
    """One Crop layer's offsets, each a tuple: one number if it is the same for all axes."""

    # The layer's name, with a number if others have it, too (`crop#2`)
    layer: str
    # What the layer has
    has: tuple[int, ...]
    # What it should have, None if that cannot be determined
    expected: tuple[int, ...] | None
    # Why it cannot be determined
    problem: str | None


def check_crops(net: pb.NetParameter) -> list[CropCheck]:
    """Check every Crop of the filtered `net`, in order.

    Crops after a wrong one are checked as if it were right, so that one mistake is reported once.
    """
    right, found = pb.NetParameter(), []
    right.CopyFrom(net)
    keys = keys_of_layers(right.layer)
    for number, (key, layer) in enumerate(zip(keys, right.layer)):
        if layer.type != "Crop":
            continue
        has = _compact(layer.crop_param.offset or [0])
        try:
            expected = geometry.crop_offset(right, number)
        except InputError as error:
            found.append(CropCheck(key, has, None, str(error)))
            continue
        expected = _compact([expected] if isinstance(expected, int) else expected)
        del layer.crop_param.offset[:]
        layer.crop_param.offset.extend(expected)
        found.append(CropCheck(key, has, expected, None))
    return found


def is_right(check: CropCheck) -> bool:
    """Whether a Crop has the offset it should have."""
    return check.has == check.expected


def _compact(offsets: Iterable[int]) -> tuple[int, ...]:
    values = tuple(offsets)
    return values[:1] if len(set(values)) == 1 else values
