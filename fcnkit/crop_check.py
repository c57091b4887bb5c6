"""Which offset each Crop of a net should have by the net's own geometry, and which it has."""

import collections

from caffeformat import InputError, geometry

CropCheck = collections.namedtuple("CropCheck", "layer has expected problem")
CropCheck.__doc__ = """One Crop: its name, the offsets it has and should have (tuples, one number
where all axes are alike), and why nobody can tell (then `expected` is None)."""


def check_crops(net):
    """A list of `CropCheck`s, one for each Crop of a filtered `NetParameter`, in order.

    A wrong offset is taken as right for the crops that follow, so that one mistake is told once.
    """
    right, found = type(net)(), []
    right.CopyFrom(net)
    for layer in right.layer:
        if layer.type != "Crop":
            continue
        has = _compact(layer.crop_param.offset or [0])
        try:
            expected = geometry.crop_offset(right, layer.name)
        except InputError as error:
            found.append(CropCheck(layer.name, has, None, str(error)))
            continue
        expected = _compact([expected] if isinstance(expected, int) else expected)
        del layer.crop_param.offset[:]
        layer.crop_param.offset.extend(expected)
        found.append(CropCheck(layer.name, has, expected, None))
    return found


def is_right(check):
    """Whether a Crop has the offset it should have."""
    return check.has == check.expected


def _compact(offsets):
    offsets = tuple(offsets)
    return offsets[:1] if len(set(offsets)) == 1 else offsets
