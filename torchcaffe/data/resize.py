"""Bilinear resizing of 8-bit images, bit for bit as OpenCV does it for Caffe's tools.

OpenCV works in fixed point: weights are rounded to 11 bits, rows are combined in two rounded steps
(`cv::resize` with `INTER_LINEAR` on `CV_8U`). Halving both sides exactly is a mean of four pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ONE = 1 << 11


def resize_pixels(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize `pixels` (H x W x K uint8) to `size` (height, width); returns a new array."""
    height, width = size
    if pixels.shape[:2] == (height, width):
        return pixels.copy()
    if pixels.shape[0] == 2 * height and pixels.shape[1] == 2 * width:
        quads = pixels.reshape(height, 2, width, 2, -1).astype(np.uint16).sum(axis=(1, 3))
        return ((quads + 2) >> 2).astype(np.uint8)
    left, right, fraction = _neighbours(pixels.shape[1], width)
    # Beyond the first and the last centre there is one neighbour, which has the whole weight.
    fraction = np.where((left < 0) | (right > pixels.shape[1] - 1), np.float32(0), fraction)
    left = left.clip(0, pixels.shape[1] - 1)
    right = right.clip(0, pixels.shape[1] - 1)
    far, near = (weights[:, None] for weights in _weights(fraction))
    upper, lower, fraction = _neighbours(pixels.shape[0], height)
    below, above = (weights[:, None, None] for weights in _weights(fraction))
    rows = pixels[:, left].astype(np.int32) * near + pixels[:, right].astype(np.int32) * far
    rows >>= 4
    upper, lower = (rows[index.clip(0, pixels.shape[0] - 1)] for index in (upper, lower))
    blended = ((upper * above) >> 16) + ((lower * below) >> 16) + 2 >> 2
    return blended.clip(0, 255).astype(np.uint8)


def _neighbours(
    old: int, new: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """For each new pixel: the old ones before and after its centre, and how far along it is."""
    position = ((np.arange(new) + 0.5) * (old / new) - 0.5).astype(np.float32)
    before = np.floor(position)
    return before.astype(np.int64), before.astype(np.int64) + 1, position - before


def _weights(fraction: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The weights of the far and of the near neighbour, in units of 1/2048."""
    one = np.float32(_ONE)
    far, near = fraction * one, (np.float32(1) - fraction) * one
    return np.rint(far).astype(np.int32), np.rint(near).astype(np.int32)
