"""The texts in a picture: a layer's kind, its settings in a few words, shapes, strides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caffeformat.errors import InputError
from caffeformat.geometry import convolution_windows, pooling_windows
from caffeformat.messages import pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from google.protobuf.message import Message

    from caffeformat.geometry import Window


# Kind of layer -> the types drawn in its colour; every other type is of kind "other"
KINDS = {
    "input": (
        "Data", "DenseImageData", "DummyData", "HDF5Data", "ImageData", "ImageSegData", "Input",
        "MemoryData", "Parameter", "WindowData",
    ),
    "convolution": ("Convolution", "Im2col", "InnerProduct", "Embed"),
    "upsampling": ("Deconvolution", "Interp", "Upsample"),
    "pooling": ("Pooling", "SPP", "Reduction"),
    "join": ("BatchReindex", "Concat", "Crop", "Eltwise", "Filter", "Slice", "Split"),
    "recurrent": ("LSTM", "LSTMUnit", "RNN"),
    "loss": (
        "Accuracy", "ContrastiveLoss", "EuclideanLoss", "HingeLoss", "InfogainLoss",
        "MultinomialLogisticLoss", "SegAccuracy", "SigmoidCrossEntropyLoss", "SoftmaxWithLoss",
    ),
}  # fmt: skip
_KIND_OF = {layer_type: kind for kind, types in KINDS.items() for layer_type in types}
# Types shown as a word beside the layer that they follow
FOLLOWERS = {
    "BatchNorm": "BN", "Bias": "bias", "Dropout": "dropout", "ELU": "ELU", "LRN": "LRN",
    "PReLU": "PReLU", "ReLU": "ReLU", "Scale": "scale", "Sigmoid": "sigmoid", "Swish": "swish",
    "TanH": "tanh",
}  # fmt: skip
_LONGEST = 64


def kind(layer: pb.LayerParameter) -> str:
    """The kind of `layer`, a key of `KINDS` or "other"."""
    return _KIND_OF.get(layer.type, "other")


def settings(layer: pb.LayerParameter) -> str:
    """The settings of `layer` in a few words, such as `3×3, 64, pad 100` or `LSTM num_output 256`.

    Its type comes first unless the words imply it. Invalid settings (a missing kernel size) are
    left out, because a picture also shows nets that do not load yet.
    """
    try:
        words = _WORDS[layer.type](layer) if layer.type in _WORDS else _any_type(layer)
    except InputError:
        words = [layer.type, "(settings do not fit)"]
    return shorten(" ".join(words[:1]) + "".join(f", {word}" for word in words[1:]), _LONGEST)


def shorten(text: str, longest: int) -> str:
    """`text` without its middle if it is longer than `longest` characters."""
    if len(text) <= longest:
        return text
    end = longest // 3
    return text[: longest - end - 1] + "…" + text[-end:]


def shape_text(shape: Sequence[int]) -> str:
    """`64 × 250 × 250` of an N x C x H x W shape (without its N), all axes of any other."""
    shape = tuple(shape)[1:] if len(shape) == 4 else tuple(shape)
    return " × ".join(map(str, shape)) if shape else "scalar"


def pair_text(values: Iterable[Any]) -> str:
    """Numbers of the spatial axes: one if they are equal, otherwise joined by ×."""
    texts = [_number(value) for value in values]
    return texts[0] if len(set(texts)) == 1 else "×".join(texts)


def multipliers(layer: pb.LayerParameter) -> str:
    """Learning-rate multipliers of a layer's parameters in words; "" if all are 1."""
    rates = [param.lr_mult for param in layer.param]
    return f"lr × {', '.join(map(_number, rates))}" if set(rates) - {1.0} else ""


def _number(value: Any) -> str:
    """A fraction as such (1/2), a float without trailing zeros."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _windows(windows: Sequence[Window]) -> list[str]:
    """The kernel, then values other than the default."""
    words = ["×".join(str(window.kernel) for window in windows)]
    if len(windows) == 1:
        words = [f"{windows[0].kernel}×{windows[0].kernel}"]
    for name, default in (("stride", 1), ("pad", 0), ("dilation", 1)):
        values = [getattr(window, name) for window in windows]
        if set(values) != {default}:
            words.append(f"{name} {pair_text(values)}")
    return words


def _convolution(layer: pb.LayerParameter) -> list[str]:
    param = layer.convolution_param
    words = _windows(convolution_windows(layer))
    words[0] = f"conv {words[0]}"
    words.insert(1, str(param.num_output))
    if param.group == param.num_output > 1:
        words.append("one per channel")
    elif param.group > 1:
        words.append(f"{param.group} groups")
    return words


def _deconvolution(layer: pb.LayerParameter) -> list[str]:
    words = _convolution(layer)
    bilinear = layer.convolution_param.weight_filler.type == "bilinear"
    return [("bilinear de" if bilinear else "de") + words[0], *words[1:]]


def _pooling(layer: pb.LayerParameter) -> list[str]:
    param = layer.pooling_param
    method = {param.MAX: "max", param.AVE: "mean", param.STOCHASTIC: "stochastic"}[param.pool]
    windows = pooling_windows(layer)
    if windows is None:
        return [f"{method} pool over all"]
    first, *others = _windows(windows)
    return [f"{method} pool {first}", *others]


def _crop(layer: pb.LayerParameter) -> list[str]:
    """The blob whose size is taken, and where the window begins."""
    param = layer.crop_param
    axis = f" from axis {param.axis}" if param.axis != 2 else ""
    reference = layer.bottom[1] if len(layer.bottom) > 1 else "?"
    return [f"crop to {reference}{axis}", f"offset {pair_text(list(param.offset) or [0])}"]


def _eltwise(layer: pb.LayerParameter) -> list[str]:
    param = layer.eltwise_param
    words = [{param.SUM: "sum", param.PROD: "product", param.MAX: "maximum"}[param.operation]]
    return words + ["coeff " + " ".join(map(_number, param.coeff))] * bool(param.coeff)


def _python(layer: pb.LayerParameter) -> list[str]:
    param = layer.python_param
    return [f"{param.module or '?'}.{param.layer or '?'}", *_stripped(param.param_str)]


def _stripped(text: str) -> list[str]:
    return [" ".join(text.split())] if text.strip() else []


_WORDS: dict[str, Callable[[pb.LayerParameter], list[str]]] = {
    "Convolution": _convolution,
    "Crop": _crop,
    "Deconvolution": _deconvolution,
    "Eltwise": _eltwise,
    "InnerProduct": lambda layer: ["fully connected", str(layer.inner_product_param.num_output)],
    "Input": lambda layer: ["input"],
    "Pooling": _pooling,
    "Python": _python,
}


def _any_type(layer: pb.LayerParameter) -> list[str]:
    """The type, all settings in its parameter messages other than the default, loss weights."""
    words = [layer.type]
    for field, value in layer.ListFields():
        if field.message_type is not None and field.name.endswith("_param"):
            words += _fields(value)
    return words + [f"weight {_number(weight)}" for weight in layer.loss_weight if weight != 1]


def _fields(message: Message) -> Iterator[str]:
    for field, value in message.ListFields():
        if field.message_type is not None:
            continue
        if field.default_value == []:  # a repeated field
            yield f"{field.name} " + " ".join(_value(field, item) for item in value)
        elif value != field.default_value:
            yield f"{field.name} {_value(field, value)}"


def _value(field: Any, value: Any) -> str:
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known else str(value)
    return shorten(_number(value), 32)


def state_text(net: pb.NetParameter) -> str:
    """Phase, level and stages of a filtered net in words."""
    state = net.state
    words = ["TRAIN" if state.phase == pb.TRAIN else "TEST"] if net.HasField("state") else []
    return " ".join(words + list(state.stage))
