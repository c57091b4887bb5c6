"""Which parameter blobs a layer has: their shapes and fillers, read from the net's text alone.

    for layer, blobs in net_parameters(net):
        for blob in blobs:
            blob.shape, blob.filler

Surgery needs them to know what a network expects without an engine that builds it.
"""

import collections

import numpy as np

from caffeformat import infer_shapes, pb
from caffeformat.forks import bn_kind
from caffeformat.windows import convolution_windows

Parameter = collections.namedtuple("Parameter", "shape filler")
Parameter.__doc__ = """One blob of a layer: `shape` (tuple) and `filler`, the `FillerParameter` in
force or None where Caffe starts the blob at zero because nobody named one."""


def net_parameters(net, input_shapes=None):
    """The layers of a filtered net that have parameters: a list of (layer, [Parameter, ...]).

    `input_shapes` maps names of blobs that no layer's text gives a shape (those of Data layers) to
    tuples. Raises `InputError` where a shape cannot be known.
    """
    shapes = infer_shapes(net, input_shapes)
    found = []
    for layer in net.layer:
        if layer.type in _RULES:
            blobs = layer_parameters(layer, [shapes[name] for name in layer.bottom])
            if blobs:
                found.append((layer, blobs))
    return found


def image_shapes(net):
    """Shapes for the blobs that Data layers of `net` fill, {blob: shape}, where no text tells them.

    Images count as colour, or grey where a transformation makes them so, of the size they are
    cropped to (else 500 x 500, which matters to fully connected layers only); a blob called label,
    or second in its layer, counts as one label a pixel.
    """
    shapes = {}
    for layer in net.layer:
        if layer.type == "Data" and layer.top:
            param = layer.transform_param
            size = (param.crop_size or 500,) * 2
            for place, top in enumerate(layer.top):
                one = param.force_gray or place > 0 or top == "label"
                shapes[top] = (1, 1 if one else 3, *size)
    return shapes


def layer_parameters(layer, bottom_shapes):
    """A list of `Parameter` for a layer whose bottoms have those shapes; empty where it has none.

    Recurrent and Python layers are not known here and count as without parameters.
    """
    rule = _RULES.get(layer.type)
    return rule(layer, bottom_shapes) if rule else []


def _filler(message, field):
    return getattr(message, field) if message.HasField(field) else None


def _default(value):
    return pb.FillerParameter(type="constant", value=value)


def _weights_and_bias(param, weights, outputs):
    blobs = [Parameter(weights, _filler(param, "weight_filler"))]
    if param.bias_term:
        blobs.append(Parameter((outputs,), _filler(param, "bias_filler")))
    return blobs


def _convolution(layer, bottoms):
    param = layer.convolution_param
    axis = param.axis % len(bottoms[0])
    channels = bottoms[0][axis]
    windows = convolution_windows(layer, len(bottoms[0]) - axis - 1)
    kernel = tuple(window.kernel for window in windows)
    if layer.type == "Deconvolution":
        weights = (channels, param.num_output // param.group) + kernel
    else:
        weights = (param.num_output, channels // param.group) + kernel
    return _weights_and_bias(param, weights, param.num_output)


def _inner_product(layer, bottoms):
    param = layer.inner_product_param
    axis = param.axis % len(bottoms[0])
    inputs = int(np.prod(bottoms[0][axis:]))
    weights = (param.num_output, inputs)
    return _weights_and_bias(param, weights[::-1] if param.transpose else weights, param.num_output)


def _embed(layer, bottoms):
    param = layer.embed_param
    return _weights_and_bias(param, (param.input_dim, param.num_output), param.num_output)


def _axes(param, bottom):
    """The part of the bottom's shape that a Scale or Bias layer's blob has."""
    axis = param.axis % len(bottom)
    return bottom[axis:] if param.num_axes == -1 else bottom[axis : axis + param.num_axes]


def _scale(layer, bottoms):
    param = layer.scale_param
    learned = len(bottoms) == 1
    shape = _axes(param, bottoms[0]) if learned else bottoms[1]
    blobs = [Parameter(shape, _filler(param, "filler") or _default(1))] if learned else []
    if param.bias_term:
        blobs.append(Parameter(shape, _filler(param, "bias_filler")))
    return blobs


def _bias(layer, bottoms):
    if len(bottoms) > 1:
        return []
    return [Parameter(_axes(layer.bias_param, bottoms[0]), _filler(layer.bias_param, "filler"))]


def _batch_norm(layer, bottoms):
    channels = (bottoms[0][1],) if len(bottoms[0]) > 1 else (1,)
    return [Parameter(channels, None), Parameter(channels, None), Parameter((1,), None)]


def _bn(layer, bottoms):
    """The forks' BN: SegNet's scale and shift, or PSPNet's slope, bias, mean and variance."""
    param, shape = layer.bn_param, (1, bottoms[0][1], 1, 1)
    if bn_kind(layer) == "segnet":
        fillers = [_filler(param, "scale_filler"), _filler(param, "shift_filler")]
    else:
        fillers = [_filler(param, "slope_filler"), _filler(param, "bias_filler")]
        fillers += [None, _default(1) if param.frozen else None]
    return [Parameter(shape, filler) for filler in fillers]


def _normalize(layer, bottoms):
    param = layer.norm_param
    shape = () if param.channel_shared else (bottoms[0][1],)
    return [Parameter(shape, _filler(param, "scale_filler") or _default(1))]


def _prelu(layer, bottoms):
    param = layer.prelu_param
    shape = () if param.channel_shared else (bottoms[0][1],)
    return [Parameter(shape, _filler(param, "filler") or _default(0.25))]


def _parameter(layer, bottoms):
    return [Parameter(tuple(layer.parameter_param.shape.dim), None)]


_RULES = {
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
