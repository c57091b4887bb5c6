"""BatchNorm folded into the layer before it, for nets that only infer.

In TEST, BatchNorm multiplies each channel by a number and adds another, and so does the Scale layer
that follows it in Caffe. The convolution before can do both itself:

    y = gamma (W x + b - mean) / sqrt(variance + eps) + beta
"""

import numpy as np

from caffeformat import InputError, Weights, pb


def fold_batch_norm(net, weights):
    """(net, weights) without the BatchNorm and Scale layers that could be folded; both are new.

    net: a deploy `NetParameter`, filtered; weights: its `Weights`. A layer is folded into the
    Convolution, Deconvolution or InnerProduct whose output it alone reads; a BatchNorm that
    normalizes by its own batch and a Scale with two bottoms or another axis stay, and so does
    what follows a layer that shares its weights. Raises `InputError` for a variance below 0.
    """
    layers = list(net.layer)
    folded = Weights(weights, weights.name, weights.types)
    for linear in [layer for layer in layers if layer.type in _ABSORB]:
        if any(param.name for param in linear.param) or linear.name not in folded:
            continue
        position = next(index for index, layer in enumerate(layers) if layer is linear)
        merged = pb.LayerParameter()
        merged.CopyFrom(linear)
        while True:
            layers[position] = merged
            reader = _only_reader(layers, position)
            numbers = _per_channel(reader, folded) if reader else None
            if numbers is None:
                break
            folded[linear.name] = _ABSORB[linear.type](merged, folded[linear.name], *numbers)
            merged.top[0] = reader.top[0]
            layers = [layer for layer in layers if layer is not reader]
            folded.pop(reader.name)
            folded.types.pop(reader.name, None)
    result = pb.NetParameter()
    result.CopyFrom(net)
    del result.layer[:]
    result.layer.extend(layers)
    return result, folded


def _only_reader(layers, position):
    """The one layer that reads what the layer at `position` writes, or None."""
    blob, readers = layers[position].top[0], []
    for layer in layers[position + 1 :]:
        if blob in layer.bottom:
            readers.append(layer)
        if blob in layer.top:
            # Written in place: whoever comes later reads something else.
            break
    return readers[0] if len(readers) == 1 else None


def _per_channel(layer, weights):
    """(factor, offset), float64 of one value a channel, where that is what the layer does."""
    if layer.name not in weights:
        return None
    blobs = [blob.astype(np.float64) for blob in weights[layer.name]]
    if layer.type == "BatchNorm":
        param = layer.batch_norm_param
        if param.HasField("use_global_stats") and not param.use_global_stats:
            return None
        mean, variance, weight = blobs
        # The first two blobs are decayed sums, the third is what they were weighted with.
        share = 1 / weight[0] if weight[0] else 0
        spread = variance * share + param.eps
        if not (spread > 0).all():
            raise InputError(
                f"layer {layer.name}: a variance plus eps is {spread.min():g}, whose root would "
                "divide its channel: expected more than 0; are these the weights of this net?"
            )
        factor = 1 / np.sqrt(spread)
        return factor, -mean * share * factor
    if layer.type == "Scale":
        if len(layer.bottom) > 1 or layer.scale_param.axis != 1 or blobs[0].ndim != 1:
            return None
        return blobs[0], blobs[1] if len(blobs) > 1 else np.zeros_like(blobs[0])
    return None


def _absorb_convolution(layer, blobs, factor, offset):
    shape = (-1,) + (1,) * (blobs[0].ndim - 1)
    return _with_bias(layer.convolution_param, blobs, factor.reshape(shape), factor, offset)


def _absorb_deconvolution(layer, blobs, factor, offset):
    # in x out/group x kh x kw: a group's inputs share its outputs.
    group = layer.convolution_param.group
    by_input = np.repeat(factor.reshape(group, -1), blobs[0].shape[0] // group, axis=0)
    shape = by_input.shape + (1,) * (blobs[0].ndim - 2)
    return _with_bias(layer.convolution_param, blobs, by_input.reshape(shape), factor, offset)


def _absorb_inner_product(layer, blobs, factor, offset):
    param = layer.inner_product_param
    spread = factor if param.transpose else factor[:, None]
    return _with_bias(param, blobs, spread, factor, offset)


def _with_bias(param, blobs, spread, factor, offset):
    """The weights times `spread` and a bias that the layer may not have had."""
    bias = blobs[1] * factor + offset if param.bias_term else offset
    param.ClearField("bias_term")
    return [(blobs[0] * spread).astype(np.float32), bias.astype(np.float32)]


_ABSORB = {
    "Convolution": _absorb_convolution,
    "Deconvolution": _absorb_deconvolution,
    "InnerProduct": _absorb_inner_product,
}
