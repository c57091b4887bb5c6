"""Shapes and fillers of the parameter blobs that layers have, from a net's text alone.

    for layer, blobs in net_parameters(net):
        for blob in blobs:
            blob.shape, blob.filler

They tell surgery what a network expects without an engine that builds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caffeformat import infer_shapes, pb
from caffeformat.geometry import convolution_windows
from caffeformat.messages import bn_kind, has_scale_and_bias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Callable, Union

    from google.protobuf.message import Message

    Shape = tuple[int, ...]
    Rule = Callable[[pb.LayerParameter, Sequence[Shape]], "list[Parameter]"]
    # Parameters of a layer with weights and perhaps a bias
    Learned = Union[pb.ConvolutionParameter, pb.InnerProductParameter, pb.EmbedParameter]


class Parameter(NamedTuple):
    """One blob of a layer."""

    shape: tuple[int, ...]
    # The filler in force, or None where the text names none and Caffe starts the blob at zero
    filler: pb.FillerParameter | None


def net_parameters(
    net: pb.NetParameter, input_shapes: Mapping[str, Sequence[int]] | None = None
) -> list[tuple[pb.LayerParameter, list[Parameter]]]:
    """The layers of a filtered net that have parameters, with these.

    input_shapes: shapes of blobs that no layer's text gives one (those of Data layers), by name.
    Raises `InputError` if a shape cannot be known.
    """
    shapes = infer_shapes(net, input_shapes)
    found = []
    for layer in net.layer:
        if layer.type in _RULES:
            blobs = layer_parameters(layer, [shapes[name] for name in layer.bottom])
            if blobs:
                found.append((layer, blobs))
    return found


def image_shapes(net: pb.NetParameter) -> dict[str, tuple[int, ...]]:
    """Shapes to assume for the blobs of `net`'s Data layers, whose shape no text gives, by name.

    Images are taken as colour, or grey if their transformation makes them so, of the size they are
    cropped to (else 500 x 500, which matters to fully connected layers only); a blob called label,
    or second in its layer, as one label per pixel.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in net.layer:
        if layer.type == "Data" and layer.top:
            param = layer.transform_param
            size = (param.crop_size or 500,) * 2
            for place, top in enumerate(layer.top):
                one = param.force_gray or place > 0 or top == "label"
                shapes[top] = (1, 1 if one else 3, *size)
    return shapes


def layer_parameters(layer: pb.LayerParameter, bottom_shapes: Sequence[Shape]) -> list[Parameter]:
    """The parameters of a layer whose bottoms have these shapes; an empty list if it has none.

    Recurrent and Python layers are not known here and are taken to have none.
    """
    rule = _RULES.get(layer.type)
    return rule(layer, bottom_shapes) if rule else []


def _filler(message: Message, field: str) -> pb.FillerParameter | None:
    return getattr(message, field) if message.HasField(field) else None


def _default(value: float) -> pb.FillerParameter:
    return pb.FillerParameter(type="constant", value=value)


def _weights_and_bias(param: Learned, weights: Shape, outputs: int) -> list[Parameter]:
    blobs = [Parameter(weights, _filler(param, "weight_filler"))]
    if param.bias_term:
        blobs.append(Parameter((outputs,), _filler(param, "bias_filler")))
    return blobs


def _convolution(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Parameter]:
    param = layer.convolution_param
    axis = param.axis % len(bottoms[0])
    channels = bottoms[0][axis]
    windows = convolution_windows(layer, len(bottoms[0]) - axis - 1)
    kernel = tuple(window.kernel for window in windows)
    weights: Shape
    if layer.type == "Deconvolution":
        weights = (channels, param.num_output // param.group) + kernel
    else:
        weights = (param.num_output, channels // param.group) + kernel
    return _weights_and_bias(param, weights, param.num_output)


def _inner_product(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Parameter]:
    param = layer.inner_product_param
    axis = param.axis % len(bottoms[0])
    inputs = int(np.prod(bottoms[0][axis:]))
    weights = (param.num_output, inputs)
    return _weights_and_bias(param, weights[::-1] if param.transpose else weights, param.num_output)


def _embed(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Parameter]:
    param = layer.embed_param
    return _weights_and_bias(param, (param.input_dim, param.num_output), param.num_output)


def _axes(param: pb.ScaleParameter | pb.BiasParameter, bottom: Shape) -> Shape:
    """The part of the bottom's shape that a Scale or Bias layer's blob has."""
    axis = param.axis % len(bottom)
    return bottom[axis:] if param.num_axes == -1 else bottom[axis : axis + param.num_axes]


def _scale(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Parameter]:
    param = layer.scale_param
    learned = len(bottoms) == 1
    shape = _axes(param, bottoms[0]) if learned else bottoms[1]
    blobs = [Parameter(shape, _filler(param, "filler") or _default(1))] if learned else []
    if param.bias_term:
        blobs.append(Parameter(shape, _filler(param, "bias_filler")))
    return blobs


def _bias(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Parameter]:
    if len(bottoms) > 1:
        return []
    return [Parameter(_axes(layer.bias_param, bottoms[0]), _filler(layer.bias_param, "filler"))]


def _batch_norm(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Parameter]:
    channels = (bottoms[0][1],) if len(bottoms[0]) > 1 else (1,)
    found = [Parameter(channels, None), Parameter(channels, None), Parameter((1,), None)]
    if has_scale_and_bias(layer):  # NVIDIA Caffe's
        param = layer.batch_norm_param
        found[2] = Parameter((1,), _default(1))
        found.append(Parameter(channels, _filler(param, "scale_filler") or _default(1)))
        found.append(Parameter(channels, _filler(param, "bias_filler")))
    return found


def _bn(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Parameter]:
    """The forks' BN: SegNet's scale and shift, or PSPNet's slope, bias, mean and variance."""
    param, shape = layer.bn_param, (1, bottoms[0][1], 1, 1)
    if bn_kind(layer) == "segnet":
        fillers = [_filler(param, "scale_filler"), _filler(param, "shift_filler")]
    else:
        fillers = [_filler(param, "slope_filler"), _filler(param, "bias_filler")]
        fillers += [None, _default(1) if param.frozen else None]
    return [Parameter(shape, filler) for filler in fillers]


def _normalize(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Parameter]:
    param = layer.norm_param
    shape = () if param.channel_shared else (bottoms[0][1],)
    return [Parameter(shape, _filler(param, "scale_filler") or _default(1))]


def _prelu(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Parameter]:
    param = layer.prelu_param
    shape = () if param.channel_shared else (bottoms[0][1],)
    return [Parameter(shape, _filler(param, "filler") or _default(0.25))]


def _parameter(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Parameter]:
    return [Parameter(tuple(layer.parameter_param.shape.dim), None)]


_RULES: dict[str, Rule] = {
    "Convolution": _convolution,
    "Deconvolution": _convolution,
    "InnerProduct": _inner_product,
    "Embed": _embed,
    "Scale": _scale,
    "Bias": _bias,
    "BatchNorm": _batch_norm,
    "BN": _bn,
    "Normalize": _normalize,
    "PReLU": _prelu,
    "Parameter": _parameter,
}
