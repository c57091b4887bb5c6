"""Folds BatchNorm into the layer before it, for nets that only infer.

In TEST, BatchNorm multiplies each channel by a number and adds another, and so do the Scale layer
that follows it in Caffe, PSPNet's BN, and SegNet's in mode INFERENCE. The convolution before them
can do both itself:

    y = gamma (W x + b - mean) / sqrt(variance + eps) + beta
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffeformat import InputError, Weights, pb
from caffeformat.messages import (
    NVIDIA_EPS,
    bn_kind,
    distinct_layers,
    has_scale_and_bias,
    without_layers,
)
from caffeformat.weights import arranged_blobs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Union

    from numpy.typing import NDArray

    Arrays = Sequence[NDArray[Any]]
    # One value per channel
    Channels = NDArray[np.float64]
    # From a layer, its arrays, factors and offsets to its new arrays; changes the layer's bias_term
    Absorb = Callable[[pb.LayerParameter, Arrays, Channels, Channels], list[NDArray[np.float32]]]
    Param = Union[pb.ConvolutionParameter, pb.InnerProductParameter]


def fold_batch_norm(net: pb.NetParameter, weights: Weights) -> tuple[pb.NetParameter, Weights]:
    """Fold BatchNorm, BN and Scale layers into those before them: returns a new net and weights.

    net: a deploy net, filtered. A layer is folded into the Convolution, Deconvolution or
    InnerProduct whose output only it reads. These stay: a BatchNorm that normalizes by its own
    batch, a Scale with two bottoms or another axis, and whatever follows a layer that shares its
    weights. Layers that share a name get names of their own (`conv#2`). Raises `InputError` for a
    variance below 0.
    """
    layers = list(distinct_layers(net).layer)
    types = {str(key): kind for key, kind in weights.types.items()}
    folded = Weights(((str(key), blobs) for key, blobs in weights.items()), weights.name, types)
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
            if reader is None or numbers is None:
                break
            folded[linear.name] = _ABSORB[linear.type](merged, folded[linear.name], *numbers)
            merged.top[0] = reader.top[0]
            layers = [layer for layer in layers if layer is not reader]
            folded.pop(reader.name)
            folded.types.pop(reader.name, None)
    result = without_layers(net)
    result.layer.extend(layers)
    return result, folded


def _only_reader(layers: Sequence[pb.LayerParameter], position: int) -> pb.LayerParameter | None:
    """The one layer that reads what the layer at `position` writes, or None."""
    blob, readers = layers[position].top[0], []
    for layer in layers[position + 1 :]:
        if blob in layer.bottom:
            readers.append(layer)
        if blob in layer.top:
            # Written in place: later layers read something else.
            break
    return readers[0] if len(readers) == 1 else None


def _per_channel(layer: pb.LayerParameter, weights: Weights) -> tuple[Channels, Channels] | None:
    """(factor, offset) of each channel, or None if that is not all that the layer does."""
    if layer.name not in weights:
        return None
    arrays = arranged_blobs(layer, weights[layer.name])
    blobs = [array.astype(np.float64) for array in arrays if array is not None]
    if layer.type == "BatchNorm" and has_scale_and_bias(layer):
        mean, variance, _, scale, bias = blobs
        eps = max(layer.batch_norm_param.eps, NVIDIA_EPS)
        factor = scale / np.sqrt(_checked_spread(layer, variance + eps))
        return factor, bias - mean * factor
    if layer.type == "BatchNorm":
        param = layer.batch_norm_param
        if param.HasField("use_global_stats") and not param.use_global_stats:
            return None
        mean, variance, weight = blobs
        # The first two blobs are decayed sums, the third is what they were weighted with.
        share = 1 / weight[0] if weight[0] else 0
        factor = 1 / np.sqrt(_checked_spread(layer, variance * share + param.eps))
        return factor, -mean * share * factor
    if layer.type == "BN":
        bn = layer.bn_param
        if bn_kind(layer) == "segnet":
            if bn.bn_mode == pb.BNParameter.LEARN:
                return None
            scale, shift = (blob.reshape(-1) for blob in blobs)
            return scale, shift
        slope, bias, mean, variance = (blob.reshape(-1) for blob in blobs)
        factor = slope / np.sqrt(_checked_spread(layer, variance + bn.eps))
        return factor, bias - mean * factor
    if layer.type == "Scale":
        if len(layer.bottom) > 1 or layer.scale_param.axis != 1 or blobs[0].ndim != 1:
            return None
        return blobs[0], blobs[1] if len(blobs) > 1 else np.zeros_like(blobs[0])
    return None


def _checked_spread(layer: pb.LayerParameter, spread: Channels) -> Channels:
    """`spread`, variances plus eps; `InputError` unless all are above 0."""
    if not (spread > 0).all():
        raise InputError(
            f"layer {layer.name}: a variance plus eps is {spread.min():g}, whose root would divide "
            "its channel: expected more than 0; are these the weights of this net?"
        )
    return spread


def _absorb_convolution(
    layer: pb.LayerParameter, blobs: Arrays, factor: Channels, offset: Channels
) -> list[NDArray[np.float32]]:
    shape = (-1,) + (1,) * (blobs[0].ndim - 1)
    return _with_bias(layer.convolution_param, blobs, factor.reshape(shape), factor, offset)


def _absorb_deconvolution(
    layer: pb.LayerParameter, blobs: Arrays, factor: Channels, offset: Channels
) -> list[NDArray[np.float32]]:
    # in x out/group x kh x kw: a group's inputs share its outputs.
    group = layer.convolution_param.group
    by_input = np.repeat(factor.reshape(group, -1), blobs[0].shape[0] // group, axis=0)
    shape = by_input.shape + (1,) * (blobs[0].ndim - 2)
    return _with_bias(layer.convolution_param, blobs, by_input.reshape(shape), factor, offset)


def _absorb_inner_product(
    layer: pb.LayerParameter, blobs: Arrays, factor: Channels, offset: Channels
) -> list[NDArray[np.float32]]:
    param = layer.inner_product_param
    spread = factor if param.transpose else factor[:, None]
    return _with_bias(param, blobs, spread, factor, offset)


def _with_bias(
    param: Param, blobs: Arrays, spread: NDArray[np.float64], factor: Channels, offset: Channels
) -> list[NDArray[np.float32]]:
    """The weights times `spread`, and a bias, which the layer may not have had."""
    bias = blobs[1] * factor + offset if param.bias_term else offset
    param.ClearField("bias_term")
    return [(blobs[0] * spread).astype(np.float32), bias.astype(np.float32)]


_ABSORB: dict[str, Absorb] = {
    "Convolution": _absorb_convolution,
    "Deconvolution": _absorb_deconvolution,
    "InnerProduct": _absorb_inner_product,
}
