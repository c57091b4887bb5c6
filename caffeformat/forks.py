"""What is known of public forks of Caffe: their layers, and which of their fields are in use here.

The fields themselves are in `fork_tables.py`. What the layers compute is in `torchcaffe`.
"""

import contextlib
import contextvars
import functools

from .errors import InputError
from .fork_tables import FORKS, origins, read_table

__all__ = [
    "FORKS",
    "ForkWarning",
    "assumed_fork",
    "assuming_fork",
    "bn_kind",
    "fork_additions",
    "fork_titles",
    "ignored_fields",
    "known_fork",
    "layer_forks",
    "settle",
]

# Layers that have no message of their own name in LayerParameter
_MORE_LAYERS = {
    "DetectNetTransformation": ("nvcaffe",),
    "DomainTransformForwardOnly": ("deeplab", "pspnet"),
    "ImageSegData": ("deeplab", "pspnet"),
    "L1Loss": ("nvcaffe",),
    "SmoothL1Loss": ("nvcaffe", "ssd"),
    "SpatialProduct": ("deeplab", "pspnet"),
}
# Messages of forks whose layers run here
_IN_USE = frozenset([
    "caffe.BNParameter", "caffe.InterpParameter", "caffe.NormalizeParameter",
    "caffe.PermuteParameter", "caffe.UpsampleParameter",
])  # fmt: skip
_SEGNET_BN = ("scale_filler", "shift_filler", "bn_mode")
_PSPNET_BN = ("slope_filler", "bias_filler", "momentum", "eps", "frozen", "engine")


class ForkWarning(UserWarning):
    """A file sets fields of a fork that nothing here looks at."""


_assumed = contextvars.ContextVar("fork", default=None)


@contextlib.contextmanager
def assuming_fork(fork):
    """Within this block, `read_net` takes files as of this fork (None: BVLC's) unless told.

    Commands open nets in many places; their user says once, for all files, whose they are.
    """
    before = _assumed.set(known_fork(fork))
    try:
        yield
    finally:
        _assumed.reset(before)


def assumed_fork():
    """The fork of the `assuming_fork` block that this runs in, or None."""
    return _assumed.get()


def known_fork(fork):
    """`fork` (a name, or None); `InputError` for names that are not in `FORKS`."""
    if fork is not None and fork not in FORKS:
        raise InputError(f'no fork "{fork}"; known are {", ".join(FORKS)}')
    return fork


def fork_titles(forks, join="and"):
    """`SSD and NVIDIA Caffe` for several names of forks."""
    names = [FORKS[fork] for fork in forks]
    return f" {join} ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


@functools.cache
def _layers():
    """Layer type -> the forks that have it."""
    found = {name: list(forks) for name, forks in _MORE_LAYERS.items()}
    for row in read_table("fork_fields.csv"):
        if row["message"] == "caffe.LayerParameter" and row["type"] == "message":
            forks = found.setdefault(row["of"][len("caffe.") : -len("Parameter")], [])
            forks.append(row["fork"])
    del found["Recurrent"]  # BVLC's own, under another number
    return found


def layer_forks(type_name):
    """Names of the forks that have a layer of this type and BVLC Caffe has not; often none."""
    return tuple(_layers().get(type_name, ()))


def bn_kind(layer):
    """Which BN a LayerParameter of that type means: "segnet" or "pspnet".

    Two forks have a layer of this name. SegNet's has a scale and a shift, PSPNet's a slope, a bias
    and statistics: their fields tell them apart, or else the number of `param`s. Raises
    `InputError` where nothing does, or fields of both are there.
    """
    param = layer.bn_param
    segnet = [name for name in _SEGNET_BN if param.HasField(name)]
    pspnet = [name for name in _PSPNET_BN if param.HasField(name)]
    if segnet and pspnet:
        raise InputError(
            f'layer "{layer.name}" (BN): {segnet[0]} is a field of SegNet\'s BN and {pspnet[0]} of '
            "PSPNet's; keep those of one"
        )
    if segnet or pspnet:
        return "segnet" if segnet else "pspnet"
    if len(layer.param) > 2:
        return "pspnet"
    raise InputError(
        f'layer "{layer.name}" (BN): SegNet and PSPNet each have a layer of this type; say which '
        "by bn_param { bn_mode: LEARN } (SegNet) or bn_param { momentum: 0.9 } (PSPNet)"
    )


def settle(net, fork):
    """Write into the NetParameter `net` what only the name of its fork tells: whose BN it means."""
    for layer in net.layer:
        if layer.type != "BN" or layer.bn_param.ListFields():
            continue
        if fork == "segnet":
            layer.bn_param.bn_mode = layer.bn_param.bn_mode
        elif fork == "pspnet":
            layer.bn_param.momentum = layer.bn_param.momentum


def ignored_fields(message):
    """Texts on the set fields of `message` that forks added and nothing here looks at.

    Such as `layer "data": transform_param.crop_h (SSD and NVIDIA Caffe)`.
    """
    return _added_fields(message, _IN_USE)


def fork_additions(message, net=None):
    """Texts on everything in `message` that BVLC Caffe does not know: fields, and types of layers.

    Such as `layer "up": type Interp (DeepLab and PSPNet)`. Fields count all over `message`, because
    they stop BVLC Caffe's parser; types count in the layers of `net` (a NetParameter, perhaps
    filtered; by default none).
    """
    found = [
        f'layer "{layer.name}": type {layer.type} ({fork_titles(layer_forks(layer.type), "or")})'
        for layer in (net.layer if net is not None else ())
        if layer_forks(layer.type)
    ]
    return found + _added_fields(message)


def _added_fields(message, in_use=()):
    """Texts on the set fields that forks added, but for messages of the types `in_use`."""
    added, found = origins(), []

    def walk(part, path, where):
        name = part.DESCRIPTOR.full_name
        if name in ("caffe.LayerParameter", "caffe.V1LayerParameter"):
            path, where = "", f'layer "{part.name}": '
        for field, value in part.ListFields():
            here = f"{path}.{field.name}" if path else field.name
            of = None if field.message_type is None else field.message_type.full_name
            if of in in_use:
                continue
            if (name, field.name) in added:
                found.append(f"{where}{here} ({fork_titles(added[name, field.name])})")
            elif of is not None:
                for item in value if hasattr(value, "extend") else [value]:
                    walk(item, here, where)

    walk(message, "", "")
    return list(dict.fromkeys(found))
