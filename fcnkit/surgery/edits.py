"""Small edits of a layer's weights: more classes, other input channels, kernels, other names.

Functions take the arrays of one layer (weights, then perhaps a bias) or whole `Weights` and return
new ones; their arguments stay as they are.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import InputError, Weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray


def grow_outputs(
    arrays: Sequence[NDArray[Any]], outputs: int, places: Iterable[int] | None = None
) -> list[NDArray[np.float32]]:
    """Give a Convolution or InnerProduct layer more outputs: returns its arrays for `outputs`.

    The old outputs become those that `places` lists (default: the first ones); the new ones start
    at zero, so that they contribute nothing until they learn. A Convolution must have one group.
    Raises `InputError` if the old outputs have no place.
    """
    have = arrays[0].shape[0]
    if outputs < have:
        raise InputError(f"no place for {have} outputs among {outputs}; pass {have} or more")
    chosen = list(range(have)) if places is None else list(places)
    if len(set(chosen)) != have or len(chosen) != have:
        raise InputError(f"{have} outputs need {have} different places, found {chosen}")
    if not all(0 <= place < outputs for place in chosen):
        raise InputError(f"places {chosen} are not all among {outputs} outputs")
    _check_size((outputs,) + arrays[0].shape[1:])
    grown = []
    for array in arrays:
        new = np.zeros((outputs,) + array.shape[1:], np.float32)
        new[chosen] = array
        grown.append(new)
    return grown


def widen_inputs(arrays: Sequence[NDArray[Any]], channels: int) -> list[NDArray[Any]]:
    """Give a Convolution more or fewer input channels: returns its arrays for `channels`.

    The first channels keep their weights; each further one gets the average of all old channels
    (how Berkeley gave BGR weights a depth channel). With fewer channels than before all of them
    are that average, as no old channel corresponds to a new one. The Convolution must have one
    group. Raises `InputError` for weights that are not kernels.
    """
    weights = arrays[0]
    if weights.ndim < 3:
        raise InputError(
            f"weights of shape {weights.shape} are not a convolution's: an inner product reads "
            "values, not channels"
        )
    have = weights.shape[1]
    if channels < 1:
        raise InputError(f"{channels} channels: expected 1 or more")
    _check_size((weights.shape[0], channels) + weights.shape[2:])
    average = weights.mean(axis=1, keepdims=True)
    kept = weights if channels >= have else weights[:, :0]
    more = np.repeat(average, channels - kept.shape[1], axis=1)
    return [np.concatenate([kept, more], axis=1), *arrays[1:]]


def to_convolution(arrays: Sequence[NDArray[Any]], kernel: tuple[int, int]) -> list[NDArray[Any]]:
    """The arrays of an InnerProduct layer as those of the Convolution that computes the same.

    kernel: (height, width) of the blob that the layer read; its weights, outputs x (C H W), become
    outputs x C x H x W (views). Raises `InputError` if they do not divide into such kernels.
    """
    weights, (height, width) = arrays[0], kernel
    if weights.ndim != 2 or weights.shape[1] % (height * width):
        raise InputError(
            f"weights of shape {weights.shape} are not an inner product's over a map of {height} x "
            f"{width}: expected outputs x inputs, with inputs a multiple of {height * width}"
        )
    return [weights.reshape(weights.shape[0], -1, height, width), *arrays[1:]]


def to_inner_product(arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """The arrays of a Convolution as those of an InnerProduct over one window (views).

    Raises `InputError` for weights that are not kernels.
    """
    if arrays[0].ndim != 4:
        raise InputError(
            f"weights of shape {arrays[0].shape} are not a convolution's: expected outputs x C x "
            "H x W"
        )
    return [arrays[0].reshape(arrays[0].shape[0], -1), *arrays[1:]]


def rename(weights: Weights, names: Mapping[str, str]) -> Weights:
    """`Weights` with layers renamed by `names`, {old: new}, in the same order.

    Raises `InputError` if a layer is missing or two would get the same name.
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


def _check_size(shape: Sequence[int]) -> None:
    if 4 * math.prod(shape) >= 1 << 31:
        raise InputError(
            f"weights of {' x '.join(map(str, shape))} would have 2 GiB or more, which Caffe "
            "cannot read; choose a smaller number"
        )
