"""Small edits on a layer's weights: more classes, other input channels, kernels, other names.

Functions take the arrays of one layer (weights, then perhaps a bias) or whole `Weights` and return
new ones; what they are given stays as it is.
"""

import math

import numpy as np

from caffeformat import InputError, Weights


def grow_outputs(arrays, outputs, places=None):
    """The arrays of a Convolution or InnerProduct layer with `outputs` instead of fewer outputs.

    The old outputs become those that `places` lists (default: the first ones); the new ones start
    at zero, so that they say nothing until they learn. A Convolution has to be of one group. Raises
    `InputError` where the old outputs have no place.
    """
    have = arrays[0].shape[0]
    if outputs < have:
        raise InputError(f"no place for {have} outputs among {outputs}: give {have} or more")
    places = list(range(have)) if places is None else list(places)
    if len(set(places)) != have or len(places) != have:
        raise InputError(f"{have} outputs need {have} different places, found {places}")
    if not all(0 <= place < outputs for place in places):
        raise InputError(f"places {places} are not all among {outputs} outputs")
    _check_size((outputs,) + arrays[0].shape[1:])
    grown = []
    for array in arrays:
        new = np.zeros((outputs,) + array.shape[1:], np.float32)
        new[places] = array
        grown.append(new)
    return grown


def widen_inputs(arrays, channels):
    """The arrays of a Convolution for `channels` input channels, from one for fewer or more.

    The first channels keep their weights; each further one gets the average of all old channels
    (how Berkeley gave BGR weights a depth channel). Where `channels` is smaller, all are that
    average, as no old channel stands for the new ones. The Convolution has to be of one group.
    Raises `InputError` for weights that are no kernels.
    """
    weights = arrays[0]
    if weights.ndim < 3:
        raise InputError(
            f"weights of shape {weights.shape} are no convolution's: what an inner product reads "
            "are values, not channels"
        )
    have = weights.shape[1]
    if channels < 1:
        raise InputError(f"{channels} channels: expected 1 or more")
    _check_size((weights.shape[0], channels) + weights.shape[2:])
    average = weights.mean(axis=1, keepdims=True)
    kept = weights if channels >= have else weights[:, :0]
    more = np.repeat(average, channels - kept.shape[1], axis=1)
    return [np.concatenate([kept, more], axis=1), *arrays[1:]]


def to_convolution(arrays, kernel):
    """The arrays of an InnerProduct layer as those of the Convolution that computes the same.

    kernel: (height, width) of the blob that the layer read; its weights, outputs x (C H W), become
    outputs x C x H x W (views). Raises `InputError` where they do not divide into such kernels.
    """
    weights, (height, width) = arrays[0], kernel
    if weights.ndim != 2 or weights.shape[1] % (height * width):
        raise InputError(
            f"weights of shape {weights.shape} are no inner product's over a map of {height} x "
            f"{width}: expected outputs x inputs, with inputs a multiple of {height * width}"
        )
    return [weights.reshape(weights.shape[0], -1, height, width), *arrays[1:]]


def to_inner_product(arrays):
    """The arrays of a Convolution as those of an InnerProduct over one window (views).

    Raises `InputError` for weights that are no kernels.
    """
    if arrays[0].ndim != 4:
        raise InputError(
            f"weights of shape {arrays[0].shape} are no convolution's: expected outputs x C x H x W"
        )
    return [arrays[0].reshape(arrays[0].shape[0], -1), *arrays[1:]]


def rename(weights, names):
    """`Weights` with layers renamed by `names`, {old: new}, in the same order.

    Raises `InputError` where a layer is missing or two would have one name.
    """
    missing = [name for name in names if name not in weights.types and name not in weights]
    if missing:
        raise InputError(
            f"no layer {', '.join(missing)} in the weights; they have {', '.join(weights)}"
        )
    new = [names.get(name, name) for name in weights]
    twice = sorted({name for name in new if new.count(name) > 1})
    if twice:
        raise InputError(f"two layers would be called {', '.join(twice)}")
    return Weights(
        zip(new, weights.values()),
        weights.name,
        {names.get(name, name): kind for name, kind in weights.types.items()},
    )


def _check_size(shape):
    if 4 * math.prod(shape) >= 1 << 31:
        raise InputError(
            f"weights of {' x '.join(map(str, shape))} would have 2 GiB or more, which Caffe does "
            "not read: choose a smaller number"
        )
