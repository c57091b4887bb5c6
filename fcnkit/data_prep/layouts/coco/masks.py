"""Draws COCO's two kinds of masks, polygons and run lengths, as H x W booleans.

https://cocodataset.org/#format-data. A pixel belongs to a polygon if its centre lies inside; COCO's
own tools round edges slightly differently, so that borders may differ by a pixel.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import FormatError, brief, reason
from fcnkit.images import MAX_PIXELS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

# Corners beyond this cannot be in a picture, and floating point is not exact there.
_FARTHEST = 1 << 31

# Crossings of edges with rows that are computed at a time, and the most in one polygon: 8192 edges
# across all rows of the largest image.
_CROSSINGS, _MOST_CROSSINGS = 1 << 18, 1 << 26
# How often the boxes around an object's polygons may cover the whole image.
_MOST_COVERED = 16


def mask_of(segmentation: Any, height: int, width: int, name: str) -> NDArray[np.bool_]:
    """The mask of an annotation's `segmentation`; `FormatError` with `name` if it is damaged."""
    with _reading(height, width, name):
        if isinstance(segmentation, dict):
            return _from_runs(segmentation, height, width)
        mask = np.zeros((height, width), bool)
        room = _MOST_COVERED * height * width + _CROSSINGS
        for polygon in segmentation:
            points = _corners(polygon)
            top, bottom, left, right = _box(points, height, width)
            room -= (bottom - top) * (right - left) + len(points)
            if room < 0:
                raise ValueError(f"polygons that cover the image more than {_MOST_COVERED} times")
            if bottom > top and right > left:
                part = polygon_mask(points - (left, top), bottom - top, right - left)
                mask[top:bottom, left:right] |= part
        return mask


def most_pixels(segmentation: Any, height: int, width: int, name: str) -> int:
    """How many pixels `mask_of` may set at most: found without drawing; raises as it does."""
    with _reading(height, width, name):
        if isinstance(segmentation, dict):
            return sum(_runs(segmentation, height, width)[1::2])
        most = 0
        for polygon in segmentation:
            top, bottom, left, right = _box(_corners(polygon), height, width)
            most += (bottom - top) * (right - left)
        return min(most, height * width)


@contextlib.contextmanager
def _reading(height: int, width: int, name: str) -> Iterator[None]:
    """Around the code that reads a segmentation: whatever is wrong with it is our error."""
    if height * width > MAX_PIXELS:
        raise FormatError(name, f"refused: {height} x {width} pixels, more than {MAX_PIXELS}")
    try:
        yield
    except (ValueError, TypeError, LookupError, ArithmeticError, MemoryError) as error:
        raise FormatError(
            name,
            f"a segmentation that cannot be read: {reason(error)}; expected polygons [[x, y, x, "
            "y, ...]] or run lengths",
        ) from error


def polygon_mask(points: NDArray[np.float64], height: int, width: int) -> NDArray[np.bool_]:
    """H x W bool: the pixels whose centre is inside the polygon with corners N x 2 (x, y).

    If it crosses itself, a pixel is inside if an odd number of edges lies left of it. Takes the
    memory of two masks, however long the polygon's edges are.
    """
    x0, y0 = points.T
    x1, y1 = np.roll(points, -1, axis=0).T
    # Rows whose centre an edge passes, from the upper end (included) to the lower (excluded).
    first = np.clip(np.ceil(np.minimum(y0, y1) - 0.5), 0, height).astype(np.int64)
    last = np.clip(np.ceil(np.maximum(y0, y1) - 0.5), 0, height).astype(np.int64)
    ends = np.cumsum(last - first)
    total = int(ends[-1]) if len(ends) else 0
    if total > _MOST_CROSSINGS:
        raise ValueError(f"{len(points)} corners whose edges cross rows {total} times")
    turns = np.zeros((height, width + 1), np.uint8)
    for start in range(0, total, _CROSSINGS):
        places = np.arange(start, min(start + _CROSSINGS, total))
        edges = np.searchsorted(ends, places, side="right")
        rows = last[edges] - (ends[edges] - places)
        slope = (x1[edges] - x0[edges]) / (y1[edges] - y0[edges])
        crossings = x0[edges] + (rows + 0.5 - y0[edges]) * slope
        columns = np.clip(np.ceil(crossings - 0.5), 0, width).astype(np.int64)
        np.bitwise_xor.at(turns, (rows, columns), 1)
    np.bitwise_xor.accumulate(turns, axis=1, out=turns)
    return turns[:, :width].astype(bool)


def _box(points: NDArray[np.float64], height: int, width: int) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of the part of the image that a polygon may lie in."""
    if not len(points):
        return 0, 0, 0, 0
    (left, top), (right, bottom) = np.floor(points.min(0)), np.ceil(points.max(0))
    return (
        int(np.clip(top, 0, height)),
        int(np.clip(bottom, 0, height)),
        int(np.clip(left, 0, width)),
        int(np.clip(right, 0, width)),
    )


def _corners(polygon: object) -> NDArray[np.float64]:
    """A polygon's numbers as N x 2 float64."""
    if not isinstance(polygon, list) or any(type(n) not in (int, float) for n in polygon):
        raise ValueError(f"a polygon that is not a list of numbers: {brief(polygon)}")
    if len(polygon) % 2:
        raise ValueError(f"a polygon of {len(polygon)} numbers, which are not pairs")
    points: NDArray[np.float64] = np.array(polygon, np.float64).reshape(-1, 2)
    if not (np.abs(points) <= _FARTHEST).all():
        raise ValueError(f"a corner beyond {_FARTHEST} pixels, or not a number")
    return points


def run_lengths(text: str) -> list[int]:
    """Decode COCO's compressed counts: 5 bits per character, differences from the third on."""
    counts: list[int] = []
    position = 0
    while position < len(text):
        value = shift = 0
        while True:
            if position >= len(text):
                raise ValueError("run lengths end inside a number")
            code = ord(text[position]) - 48
            if not 0 <= code < 64 or shift > 60:
                raise ValueError(f"character {text[position]!r} in run lengths")
            position += 1
            value |= (code & 0x1F) << shift
            shift += 5
            if not code & 0x20:
                break
        if code & 0x10:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
    return counts


def _from_runs(segmentation: Mapping[str, Any], height: int, width: int) -> NDArray[np.bool_]:
    """Draw runs of pixels, alternately outside and inside, down the columns."""
    counts = _runs(segmentation, height, width)
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(width, height).T


def _runs(segmentation: Mapping[str, Any], height: int, width: int) -> list[int]:
    """The lengths of the runs, which fill an image of this size."""
    counts, size = segmentation["counts"], segmentation.get("size", [height, width])
    if isinstance(counts, str):
        counts = run_lengths(counts)
    if size != [height, width]:
        raise ValueError(f"run lengths for {size}, in an image of {[height, width]}")
    if not all(type(count) is int and count >= 0 for count in counts):
        raise ValueError("run lengths that are not whole numbers from 0 on")
    if sum(counts) != height * width:
        raise ValueError(f"run lengths of {sum(counts)} pixels, in an image of {height * width}")
    return list(counts)
