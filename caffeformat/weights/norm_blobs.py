"""The blobs of NVIDIA Caffe's BatchNorm with scale and bias, in the orders of its releases.

0.16 and later write mean, variance, correction, scale and bias; 0.15 scale, bias, mean, variance
and correction; 0.14 scale, bias, correction, mean and variance. Files of four blobs, of other
programs, leave the correction out. It is a single number that no release uses at test time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat.errors import InputError
from caffeformat.messages import has_scale_and_bias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from caffeformat.messages import pb

# A word per blob: Mean, Variance, Correction, Scale, Bias
_NEWEST = "MVCSB"
_ORDERS = {5: (_NEWEST, "SBMVC", "SBCMV"), 4: ("MVSB", "SBMV")}


def arranged_blobs(
    layer: pb.LayerParameter, arrays: Sequence[NDArray[Any] | None]
) -> list[NDArray[Any] | None]:
    """The blobs of `layer` in a weights file, in the order and number that the layer has.

    All layers but NVIDIA's BatchNorm have one order. Its blobs are told apart by their sizes, their
    axes (one axis since 0.16) and the variance, which has no value below 0. Raises `InputError`
    where that leaves two orders.
    """
    if layer.type != "BatchNorm" or not has_scale_and_bias(layer):
        return list(arrays)
    blobs = [array for array in arrays if array is not None]
    orders = [order for order in _ORDERS.get(len(blobs), ()) if _fits(order, blobs)]
    if len(blobs) < len(arrays) or not orders:
        return list(arrays)
    if len(orders) > 1 and not (orders[0] == _NEWEST and blobs[0].ndim == 1):
        plausible = [order for order in orders if _is_variance(blobs[order.index("V")])]
        if len(plausible) != 1:
            raise InputError(
                f'layer "{layer.name}" (BatchNorm): its {len(blobs)} blobs may be '
                f"{' or '.join(map(_in_words, orders))}, as releases of NVIDIA Caffe differ, and "
                f"{'both' if plausible else 'neither'} would have a variance; write them in the "
                f"order {_in_words(_NEWEST)}, each of one axis"
            )
        orders = plausible
    found = dict(zip(orders[0], blobs))
    found.setdefault("C", np.ones(1, np.float32))
    return [found[word].reshape(-1) for word in _NEWEST]


def _fits(order: str, blobs: Sequence[NDArray[Any]]) -> bool:
    """Whether the correction is one number, the others have one per channel, and axes fit."""
    channels = max(blob.size for blob in blobs)
    sizes = [1 if word == "C" else channels for word in order]
    by_cudnn = order == "SBCMV"  # 0.14's other layer has three blobs
    return [blob.size for blob in blobs] == sizes and not (by_cudnn and blobs[0].ndim == 1)


def _is_variance(values: NDArray[Any]) -> bool:
    return bool((values >= 0).all() and values.any())


def _in_words(order: str) -> str:
    words = {"M": "mean", "V": "variance", "C": "correction", "S": "scale", "B": "bias"}
    return ", ".join(words[letter] for letter in order)
