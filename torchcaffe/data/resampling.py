"""Resizing as pycaffe's libraries do it: one matrix for the rows and one for the columns.

Images of one or three channels are resized as by scikit-image 0.18 (`transform.resize`, mode
constant: zeros outside, a Gaussian first where it shrinks), others as by SciPy's `ndimage.zoom`
(corners aligned, no Gaussian). Interpolation is of order 0 (nearest), 1 (linear) or 3 (cubic).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

ORDERS = (0, 1, 3)


def resize_smooth(image: NDArray[Any], height: int, width: int, order: int) -> NDArray[np.float64]:
    """Resize `image` (H x W x K, values from 0 to 1) to `height` x `width`, 0 outside."""
    rows, columns = (
        _gaussian(old, max(0.0, (old / new - 1) / 2))
        for old, new in zip(image.shape, (height, width))
    )
    image = _apply(rows, columns, image)
    low, high = image.min(), image.max()
    result = _apply(
        _centred(image.shape[0], height, order), _centred(image.shape[1], width, order), image
    )
    outside = result == 0
    result = result.clip(low, high)
    result[outside] = 0
    return result


def zoom(image: NDArray[Any], height: int, width: int, order: int) -> NDArray[np.float64]:
    """Resize `image` (H x W x K) to `height` x `width`, corner pixels onto corner pixels.

    Whole numbers stay such, as in SciPy: values are rounded, halves away from 0, to the type's.
    """
    rows, columns = (_aligned(old, new, order) for old, new in zip(image.shape, (height, width)))
    result = _apply(rows, columns, image)
    if image.dtype.kind in "iu":
        limits = np.iinfo(image.dtype)
        result = np.trunc(result + np.copysign(0.5, result)).clip(limits.min, limits.max)
    return result


def _apply(
    rows: NDArray[np.float64], columns: NDArray[np.float64], image: NDArray[Any]
) -> NDArray[np.float64]:
    result: NDArray[np.float64] = np.einsum(
        "yi,ijk,xj->yxk", rows, image.astype(float), columns, optimize=True
    )
    return result


@functools.lru_cache(maxsize=16)
def _gaussian(size: int, sigma: float) -> NDArray[np.float64]:
    """The matrix of a Gaussian filter that is cut off after four sigma, zeros outside."""
    if sigma == 0:
        return np.eye(size)
    radius = int(4 * sigma + 0.5)
    reach = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (reach / sigma) ** 2)
    weights /= weights.sum()
    distance = np.arange(size)[:, np.newaxis] - np.arange(size)
    inside = abs(distance) <= radius
    return np.where(inside, weights[np.clip(distance, -radius, radius) + radius], 0)


@functools.lru_cache(maxsize=16)
def _centred(old: int, new: int, order: int) -> NDArray[np.float64]:
    """The matrix that samples at the centres of new pixels; cubic is Catmull-Rom."""
    places = old / new * (np.arange(new) + 0.5) - 0.5
    matrix = np.zeros((new, old))
    for row, place in enumerate(places.tolist()):
        for index, weight in _weights(place, order):
            if 0 <= index < old:
                matrix[row, index] += weight
    return matrix


@functools.lru_cache(maxsize=16)
def _aligned(old: int, new: int, order: int) -> NDArray[np.float64]:
    """The matrix that samples from corner to corner; cubic is the interpolating B-spline."""
    places = (np.arange(new) * ((old - 1) / (new - 1) if new > 1 else 0.0)).tolist()
    if order != 3:
        return _mirrored_matrix((_weights(place, order) for place in places), (new, old))
    samples = _mirrored_matrix(map(_b_spline, places), (new, old))
    spline = _mirrored_matrix(map(_b_spline, range(old)), (old, old))
    return samples @ np.linalg.inv(spline)


def _mirrored_matrix(
    rows: Iterable[list[tuple[int, float]]], shape: tuple[int, int]
) -> NDArray[np.float64]:
    """The matrix of `shape` with these (index, weight) in its rows, folded back at the borders."""
    matrix = np.zeros(shape)
    for number, row in enumerate(rows):
        for index, weight in row:
            matrix[number, _mirrored(index, shape[1])] += weight
    return matrix


def _weights(place: float, order: int) -> list[tuple[int, float]]:
    """(index, weight) of the pixels that make up the value at `place`."""
    if order == 0:
        return [(int(np.floor(place + 0.5)), 1.0)]
    base = int(np.floor(place))
    t = place - base
    if order == 1:
        return [(base, 1 - t), (base + 1, t)]
    cubic = (
        0.5 * t * (-1 + t * (2 - t)),
        1 + 0.5 * t * t * (-5 + 3 * t),
        0.5 * t * (1 + t * (4 - 3 * t)),
        0.5 * t * t * (t - 1),
    )
    return [(base - 1 + step, weight) for step, weight in enumerate(cubic)]


def _b_spline(place: float) -> list[tuple[int, float]]:
    """(index, weight) of the coefficients that make up a cubic B-spline's value at `place`."""
    base = int(np.floor(place))
    t = place - base
    cubic = ((1 - t) ** 3, 4 - 6 * t**2 + 3 * t**3, 1 + 3 * t + 3 * t**2 - 3 * t**3, t**3)
    return [(base - 1 + step, weight / 6) for step, weight in enumerate(cubic)]


def _mirrored(index: int, size: int) -> int:
    """`index` folded back at the first and last pixel."""
    if size == 1:
        return 0
    index = abs(index) % (2 * size - 2)
    return min(index, 2 * size - 2 - index)
