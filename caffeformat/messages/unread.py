"""Fields that a layer or solver does not read, which Caffe passes over without a word.

A `pooling_param` in a ReLU, a `mirror` in `data_param`, a `stepvalue` under `lr_policy: "fixed"`:
whoever wrote them expects an effect. What Caffe refuses is refused where the layer is built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import pb
from .forks import has_scale_and_bias, is_ignored
from .net_spec import param_name_dict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

_TRANSFORMED = "set it in transform_param"
# Layers without parameters of a name of their own
_PLAIN = frozenset([
    "AbsVal", "BNLL", "BatchReindex", "EuclideanLoss", "Filter", "LSTMUnit",
    "MultinomialLogisticLoss", "SigmoidCrossEntropyLoss", "Silence", "SoftmaxWithLoss", "Split",
])  # fmt: skip
# Type -> parameters that it reads beside those of its own name
_OTHERS = {
    "Data": {"transform_param"},
    "DenseImageData": {"transform_param"},
    "HDF5Data": {"transform_param"},  # refused when it is built
    "ImageData": {"transform_param"},
    "ImageSegData": {"transform_param"},
    "InfogainLoss": {"loss_param", "softmax_param"},
    "SigmoidCrossEntropyLoss": {"loss_param", "sigmoid_param"},
    "SoftmaxWithLoss": {"loss_param", "softmax_param"},
    "WindowData": {"transform_param"},
}
# Types with transform_param and with fields of the same names in their own parameters
_IMAGES = ("Data", "DenseImageData", "ImageData", "ImageSegData", "WindowData")
_COPIES = ("scale", "mean_file", "crop_size", "mirror")
_READ_COPIES = {("WindowData", "scale"), ("DenseImageData", "mirror")}
_IM2COL = ("num_output", "bias_term", "group", "weight_filler", "bias_filler")
# Field of a solver -> the policies, or else the types of solvers, that read it
_OF_POLICY = {
    "gamma": ("step", "exp", "inv", "multistep", "sigmoid"),
    "power": ("inv", "poly"),
    "stepsize": ("step", "sigmoid"),
    "stepvalue": ("multistep",),
}
_OF_TYPE = {
    "delta": ("AdaGrad", "RMSProp", "AdaDelta", "Adam"),
    "momentum2": ("Adam",),
    "rms_decay": ("RMSProp",),
}


def unread_fields(message: Message) -> list[str]:
    """Descriptions of the fields set in `message` that have no effect, in Caffe as here.

    `message` is a current NetParameter or SolverParameter. For example
    `layer "data": data_param.mirror (set it in transform_param)`.
    """
    if isinstance(message, pb.SolverParameter):
        return [f"{name} ({why})" for name, why in _of_solver(message)]
    if not isinstance(message, pb.NetParameter):
        return []
    return [
        f'layer "{layer.name}": {name} ({why})'
        for layer in message.layer
        for name, why in _of_layer(layer)
    ]


def _of_layer(layer: pb.LayerParameter) -> Iterator[tuple[str, str]]:
    """(field, why it has no effect or what to write) of a layer of a type that is known."""
    own = param_name_dict().get(layer.type)
    name = "" if own is None else f"{own}_param"
    if not name and layer.type not in _PLAIN:
        return  # a mistake, or a layer that the reader of the net will name
    read = _OTHERS.get(layer.type, set()) | {name}
    for field, _ in layer.ListFields():
        if field.name.endswith("_param") and field.name not in read and not is_ignored(field):
            yield field.name, _foreign(layer.type, field.name)
    for field_name in _set_fields(getattr(layer, name)) if name else ():
        why = _unread(layer, field_name)
        if why:
            yield f"{name}.{field_name}", why
    yield from _in_transform(layer)
    if layer.type == "InfogainLoss" and layer.softmax_param.HasField("axis"):
        yield "softmax_param.axis", "set it in infogain_loss_param"
    loss = layer.loss_param
    if "loss_param" in read and loss.HasField("normalize") and loss.HasField("normalization"):
        yield "loss_param.normalize", "normalization decides"


def _foreign(layer_type: str, name: str) -> str:
    verb = "transform its data" if name == "transform_param" else "read it"
    return f"type {layer_type} does not {verb}"


def _set_fields(param: Message) -> list[str]:
    """Names of the fields set in `param` to something else than their default."""
    found = []
    for field, value in param.ListFields():
        plain = field.message_type is None and not hasattr(value, "extend")
        if not plain or value != field.default_value:
            found.append(field.name)
    return found


def _unread(layer: pb.LayerParameter, field: str) -> str:
    """Why `field` of a layer's own parameters has no effect; "" where it has one."""
    kind, bottoms = layer.type, len(layer.bottom)
    if kind in _IMAGES and field in _COPIES and (kind, field) not in _READ_COPIES:
        return _TRANSFORMED
    if (kind, field) == ("Data", "force_encoded_color"):
        return "set force_color in transform_param"
    if (kind, field) == ("SegAccuracy", "metric"):
        return "the top holds all three measures"
    if kind == "Im2col" and field in _IM2COL:
        return "type Im2col has no parameters"
    if (kind, field) == ("Eltwise", "coeff"):
        is_max = layer.eltwise_param.operation == pb.EltwiseParameter.MAX
        return "only SUM takes coefficients" if is_max else ""
    if (kind, field) == ("LRN", "k"):
        within = layer.lrn_param.norm_region == pb.LRNParameter.WITHIN_CHANNEL
        return "WITHIN_CHANNEL always adds 1" if within else ""
    if (kind, field) == ("Scale", "bias_filler") and not layer.scale_param.bias_term:
        return "set bias_term: true to have a bias"
    if kind in ("Scale", "Bias") and field in ("filler", "num_axes") and bottoms > 1:
        return "the second bottom holds the values"
    if (kind, field) == ("InfogainLoss", "source") and bottoms > 2:
        return "the third bottom holds the matrix"
    if (kind, field) == ("BatchNorm", "use_global_stats") and has_scale_and_bias(layer):
        return "with scale_bias, the phase decides"
    if kind == "Interp" and field in ("height", "width"):
        param = layer.interp_param
        if bottoms > 1:
            return "the second bottom has the size"
        if param.HasField("zoom_factor") != param.HasField("shrink_factor"):
            return "the factor decides"
    return ""


def _in_transform(layer: pb.LayerParameter) -> Iterator[tuple[str, str]]:
    """What a layer that has a transform_param does not read of it."""
    if layer.type not in _IMAGES or layer.type == "Data":
        return
    for field in _set_fields(layer.transform_param):
        if field in ("force_color", "force_gray"):
            yield f"transform_param.{field}", "is for layers of type Data"
        elif (layer.type, field) == ("WindowData", "scale"):
            yield "transform_param.scale", "set it in window_data_param"


def _of_solver(solver: pb.SolverParameter) -> Iterator[tuple[str, str]]:
    """(field, why) of a solver's fields that its policy, or its type, does not read."""
    groups: list[tuple[dict[str, tuple[str, ...]], str, str]] = [
        (_OF_POLICY, "lr_policy", solver.lr_policy),
        (_OF_TYPE, "type", solver.type),
    ]
    for readers, what, value in groups:
        for field in _set_fields(solver):
            if field in readers and value and value not in readers[field]:
                yield field, f'is for {what} {_either(readers[field])}, not "{value}"'


def _either(names: tuple[str, ...]) -> str:
    *others, last = (f'"{name}"' for name in names)
    return f"{', '.join(others)} or {last}" if others else last
