"""Facts about public forks of Caffe: their layers, and which of their fields have an effect.

`fork_tables.py` has the fields themselves, `torchcaffe` what the layers compute.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
from typing import TYPE_CHECKING, Any

from caffeformat.errors import InputError

from .fork_tables import FORKS, origins, read_table
from .lr_policy import OWN_POLICIES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from google.protobuf.descriptor import FieldDescriptor
    from google.protobuf.message import Message

    from . import pb


__all__ = [
    "FORKS",
    "NVIDIA_EPS",
    "SEGNET_EPS",
    "FieldWarning",
    "ForkWarning",
    "assumed_fork",
    "assuming_fork",
    "bn_kind",
    "fields_in",
    "fork_additions",
    "fork_titles",
    "has_scale_and_bias",
    "ignored_fields",
    "instead_of",
    "is_ignored",
    "known_fork",
    "layer_forks",
    "refuse_effects",
    "refused_fields",
    "settle",
]

# Layers without a parameter message of their own name
_MORE_LAYERS = {
    "DetectNetTransformation": ("nvcaffe",),
    "DomainTransformForwardOnly": ("deeplab", "pspnet"),
    "ImageSegData": ("deeplab", "pspnet"),
    "L1Loss": ("nvcaffe",),
    "SmoothL1Loss": ("nvcaffe", "ssd"),
    "SpatialProduct": ("deeplab", "pspnet"),
}
# Type of a layer that does not run here -> what to write instead
_INSTEAD = {
    "AnnotatedData": "feed images from a script, or from Data layers",
    "BiasChannel": "write a Python layer that adds to the channels of its labels",
    "DenseCRF": "remove it: its bottom holds the net's scores, to refine by other programs",
    "DetectionEvaluate": "remove it, and compare its bottoms in a script",
    "DetectionOutput": "remove it: its bottoms are the boxes and scores to choose from",
    "DomainTransform": "remove it: its bottom holds the net's scores, to refine by other programs",
    "L1Loss": "write a Python layer",
    "MatRead": "convert the files to HDF5 and read them with HDF5Data",
    "MatWrite": "remove it, and save its bottom in a script (scipy.io.savemat, numpy.save), or "
    "write HDF5Output",
    "MultiBoxLoss": "remove it to compute boxes and scores; training needs that fork",
    "PriorBox": "remove it and what depends on it: it makes constants from sizes alone, which a "
    "script can compute",
    "SmoothL1Loss": "write a Python layer",
    "SpatialProduct": "repeat its second bottom by Tile with axis: 1, then write Eltwise with "
    "operation: PROD",
    "UniqueLabel": "write a Python layer that lists the classes of its label",
    "VideoData": "feed images from a script",
}
# Messages of forks whose layers run here
_IN_USE = frozenset([
    "caffe.BNParameter", "caffe.DenseImageDataParameter", "caffe.InterpParameter",
    "caffe.NormalizeParameter", "caffe.PermuteParameter", "caffe.SegAccuracyParameter",
    "caffe.UpsampleParameter",
])  # fmt: skip
# Fields that run here, of messages that do not as a whole
_FIELDS_IN_USE = frozenset([
    ("caffe.BatchNormParameter", "bias_filler"), ("caffe.BatchNormParameter", "scale_bias"),
    ("caffe.BatchNormParameter", "scale_filler"), ("caffe.DropoutParameter", "sample_weights_test"),
    ("caffe.LossParameter", "class_weighting"), ("caffe.LossParameter", "weight_by_label_freqs"),
    ("caffe.SolverParameter", "min_lr"), ("caffe.SolverParameter", "rampup_interval"),
    ("caffe.SolverParameter", "rampup_lr"),
])  # fmt: skip
# Type of a layer -> fields of shared messages that run in it alone
_FIELDS_OF_TYPE = {
    "ImageSegData": frozenset([
        ("caffe.ImageDataParameter", "ignore_label"), ("caffe.ImageDataParameter", "label_type"),
        ("caffe.TransformationParameter", "crop_height"),
        ("caffe.TransformationParameter", "crop_width"),
        ("caffe.TransformationParameter", "scale_factors"),
    ]),
}  # fmt: skip
# Fields about how a fork computes, reads ahead or reports, but not about what it computes. Of
# `random_seed` only the sequence of random numbers depends, which is every program's own.
_HARMLESS = frozenset([
    "ap_version", "backward_math", "backward_type", "cache", "conv_algos_override",
    "cudnn_convolution_algo_seeker", "cudnn_math_override", "dataset_share_per_node", "debug",
    "default_backward_math", "default_backward_type", "default_conv_algos_override",
    "default_cudnn_math_override", "default_forward_math", "default_forward_type", "display",
    "eltwise_mem_sharing", "engine", "eval_type", "forward_math", "forward_type",
    "global_grad_scale", "global_grad_scale_adaptive", "num_labels", "parser_threads", "precache",
    "random_seed", "reduce_buckets", "show_per_class_result", "solver_data_type",
    "store_blobs_in_old_format", "test_and_snapshot_last_epochs", "threads", "use_gpu_transform",
])  # fmt: skip
SEGNET_EPS = 1e-9  # what SegNet's BN adds to the variance
NVIDIA_EPS = 1e-5  # the least that NVIDIA Caffe's BatchNorm with scale and bias adds to it
_SEGNET_BN = ("scale_filler", "shift_filler", "bn_mode")
_PSPNET_BN = ("slope_filler", "bias_filler", "momentum", "eps", "frozen", "engine")


class FieldWarning(UserWarning):
    """A file sets fields that have no effect, or that are read as others."""


class ForkWarning(FieldWarning):
    """A file sets fields of a fork that have no effect here, or that are read as BVLC Caffe's."""


_assumed: contextvars.ContextVar[str | None] = contextvars.ContextVar("fork", default=None)


@contextlib.contextmanager
def assuming_fork(fork: str | None) -> Iterator[None]:
    """Within this block, `read_net` takes files to be of this fork (None: BVLC's) by default.

    Commands open nets in many places, and their user names the fork once for all files.
    """
    before = _assumed.set(known_fork(fork))
    try:
        yield
    finally:
        _assumed.reset(before)


def assumed_fork() -> str | None:
    """The fork of the innermost `assuming_fork` block around the caller, or None."""
    return _assumed.get()


def known_fork(fork: str | None) -> str | None:
    """`fork` (a name, or None); `InputError` for names that are not in `FORKS`."""
    if fork is not None and fork not in FORKS:
        raise InputError(f'no fork "{fork}"; known are {", ".join(FORKS)}')
    return fork


def fork_titles(forks: Iterable[str], join: str = "and") -> str:
    """`SSD and NVIDIA Caffe` for the names of several forks."""
    names = [FORKS[fork] for fork in forks]
    return f" {join} ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


@functools.cache
def _layers() -> dict[str, list[str]]:
    """Layer type -> the forks that have it."""
    found = {name: list(forks) for name, forks in _MORE_LAYERS.items()}
    for row in read_table("fork_fields.csv"):
        if row["message"] == "caffe.LayerParameter" and row["type"] == "message":
            forks = found.setdefault(row["of"][len("caffe.") : -len("Parameter")], [])
            forks.append(row["fork"])
    del found["Recurrent"]  # BVLC's own, under another number
    return found


def layer_forks(type_name: str) -> tuple[str, ...]:
    """Names of the forks with a layer type that BVLC Caffe lacks; empty for BVLC's own types."""
    return tuple(_layers().get(type_name, ()))


def instead_of(type_name: str) -> str:
    """What to write instead of a fork's layer that does not run here; "" if nothing is known."""
    return _INSTEAD.get(type_name, "")


def bn_kind(layer: pb.LayerParameter) -> str:
    """Which BN a LayerParameter of that type means: "segnet" or "pspnet".

    Two forks have a layer of this name. SegNet's has a scale and a shift, PSPNet's a slope, a bias
    and statistics: their fields distinguish them, or else the number of `param`s. Raises
    `InputError` if nothing does, or if fields of both are set.
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
    if len(layer.top) > 1:  # SegNet's gives its mean and variance as well
        return "segnet"
    if len(layer.param) > 2:
        return "pspnet"
    raise InputError(
        f'layer "{layer.name}" (BN): SegNet and PSPNet both have a layer of this type; specify '
        "which with bn_param { bn_mode: LEARN } (SegNet) or bn_param { momentum: 0.9 } (PSPNet)"
    )


def has_scale_and_bias(layer: pb.LayerParameter) -> bool:
    """Whether a BatchNorm is NVIDIA Caffe's with scale and bias in it, of five blobs."""
    param = layer.batch_norm_param
    return param.scale_bias or param.HasField("scale_filler") or param.HasField("bias_filler")


def settle(net: pb.NetParameter, fork: str | None) -> None:
    """Write into `net` what only the name of its fork decides: which BN it means."""
    for layer in net.layer:
        if layer.type != "BN" or layer.bn_param.ListFields():
            continue
        if fork == "segnet":
            layer.bn_param.bn_mode = layer.bn_param.bn_mode
        elif fork == "pspnet":
            layer.bn_param.momentum = layer.bn_param.momentum


def fields_in(layer_type: str, message: str) -> list[str]:
    """Fields that forks added to `message`, one of BVLC's, and that run in layers of that type.

    For example `label_type` for ImageSegData and `ImageDataParameter`.
    """
    running = _FIELDS_OF_TYPE.get(layer_type, frozenset())
    return sorted(field for owner, field in running if owner == f"caffe.{message}")


def ignored_fields(message: Message) -> list[str]:
    """Descriptions of the fields set in `message` that forks added and that have no effect here.

    For example `layer "data": transform_param.parser_threads (NVIDIA Caffe)`. What is computed is
    the same without them.
    """
    return [text for text, is_harmless in _added_fields(message, _IN_USE) if is_harmless]


def refused_fields(message: Message) -> list[str]:
    """Descriptions of the fields set in `message` that `refuse_effects` refuses."""
    return [text for text, is_harmless in _added_fields(message, _IN_USE) if not is_harmless]


def is_ignored(field: FieldDescriptor) -> bool:
    """Whether `field` of a layer holds parameters for a layer of a fork that does not run here."""
    of = field.message_type
    added = ("caffe.LayerParameter", field.name) in origins()
    return added and of is not None and of.full_name not in _IN_USE


def refuse_effects(message: Message) -> None:
    """Raise `InputError` if `message` sets a field of a fork that would change what is computed.

    `message` is a layer that is about to be built, or a solver, whose nets look after their own
    layers. Fields at their default value do nothing.
    """
    if message.DESCRIPTOR.name == "SolverParameter":
        settings = type(message)()
        settings.CopyFrom(message)
        for nets in ("net_param", "train_net_param", "test_net_param"):
            settings.ClearField(nets)
        message = settings
    found = refused_fields(message)
    if found:
        raise InputError(
            f"{'; '.join(found)}: would change what is computed, and does not run here; remove it "
            "to compute without it, or use that fork"
        )


def fork_additions(message: Message, net: pb.NetParameter | None = None) -> list[str]:
    """Descriptions of all fields and layer types in `message` that BVLC Caffe does not know.

    For example `layer "up": type Interp (DeepLab and PSPNet)`. Fields count anywhere in `message`,
    because they stop BVLC Caffe's parser. Types count in the layers of `net`, a NetParameter that
    may be filtered (default: none).
    """
    found = [
        f'layer "{layer.name}": type {layer.type} ({fork_titles(layer_forks(layer.type), "or")})'
        for layer in (net.layer if net is not None else ())
        if layer_forks(layer.type)
    ]
    policy = getattr(message, "lr_policy", "")
    if policy in OWN_POLICIES:
        found.append(f'lr_policy "{policy}" (torchcaffe)')
    return found + [text for text, _ in _added_fields(message)]


def _added_fields(message: Message, in_use: Collection[str] = ()) -> list[tuple[str, bool]]:
    """(description, whether it is harmless) of the set fields that forks added.

    With `in_use`, types of messages that run here, these and other fields that do are left out.
    """
    added = origins()
    found: list[tuple[str, bool]] = []

    def walk(part: Any, path: str, where: str, running: Collection[tuple[str, str]]) -> None:
        name = part.DESCRIPTOR.full_name
        if name in ("caffe.LayerParameter", "caffe.V1LayerParameter"):
            path, where = "", f'layer "{part.name}": '
            running = _FIELDS_IN_USE | _FIELDS_OF_TYPE.get(str(part.type), frozenset())
        for field, value in part.ListFields():
            here = f"{path}.{field.name}" if path else field.name
            of = None if field.message_type is None else field.message_type.full_name
            if of in in_use:
                continue
            if (name, field.name) in added:
                if in_use and (name, field.name) in running:
                    continue
                text = f"{where}{here} ({fork_titles(added[name, field.name])})"
                # Parameters of a layer that does not run here say nothing about other layers.
                of_layer = name.endswith("LayerParameter") and of is not None
                is_default = of is None and value == field.default_value
                found.append((text, of_layer or is_default or field.name in _HARMLESS))
            elif of is not None:
                for item in value if hasattr(value, "extend") else [value]:
                    walk(item, here, where, running)

    walk(message, "", "", _FIELDS_IN_USE)
    return list(dict.fromkeys(found))
