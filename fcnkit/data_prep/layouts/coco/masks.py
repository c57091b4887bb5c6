"""COCO's two forms of a mask as H x W booleans: polygons, and run lengths.

https://cocodataset.org/#format-data. A pixel belongs to a polygon where its centre lies inside;
COCO's own tools round edges a little otherwise, so that borders may differ by a pixel.
"""

import numpy as np

from caffeformat import FormatError
from fcnkit.images import MAX_PIXELS

# Corners past this are no place in a picture, and floating point is not exact there.
_FARTHEST = 1 << 31

# Crossings of edges with rows that are looked at at a time, and in one polygon at all: 8192 edges
# across all rows of the largest image.
_CROSSINGS, _MOST_CROSSINGS = 1 << 18, 1 << 26


def mask_of(segmentation, height, width, name):
    """The mask of an annotation's `segmentation`; `FormatError` with `name` where it is damaged."""
    if height * width > MAX_PIXELS:
        raise FormatError(name, f"refused: {height} x {width} pixels, more than {MAX_PIXELS}")
    try:
        if isinstance(segmentation, dict):
            return _from_runs(segmentation, height, width)
        mask = np.zeros((height, width), bool)
        for polygon in segmentation:
            mask |= polygon_mask(_corners(polygon), height, width)
        return mask
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise FormatError(
            name,
            f"a segmentation that cannot be read: {error}; expected polygons [[x, y, x, y, ...]] "
            "or run lengths",
        ) from error


def polygon_mask(points, height, width):
    """H x W bool: pixels whose centre is inside the polygon, N x 2 (x, y) with edges between.

    Where it crosses itself, what an odd number of its edges lies left of is inside. Takes memory
    for the mask twice, however long the polygon's edges are.
    """
    x0, y0 = points.T
    x1, y1 = np.roll(points, -1, axis=0).T
    # Rows whose centre an edge passes: from the upper end (included) to the lower (not).
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


def _corners(polygon):
    """A polygon's numbers as N x 2 float64."""
    if not isinstance(polygon, list) or any(type(n) not in (int, float) for n in polygon):
        raise ValueError(f"a polygon that is no list of numbers: {str(polygon)[:60]}")
    if len(polygon) % 2:
        raise ValueError(f"a polygon of {len(polygon)} numbers, which are no pairs")
    points = np.array(polygon, np.float64).reshape(-1, 2)
    if not (np.abs(points) <= _FARTHEST).all():
        raise ValueError(f"a corner farther from the image than {_FARTHEST} pixels, or no number")
    return points


def run_lengths(text):
    """The counts in COCO's compressed text: 5 bits a character, from the third on differences."""
    counts, position = [], 0
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


def _from_runs(segmentation, height, width):
    """Runs of pixels outside and inside, by turns, down the columns."""
    counts, size = segmentation["counts"], segmentation.get("size", [height, width])
    if isinstance(counts, str):
        counts = run_lengths(counts)
    if size != [height, width]:
        raise ValueError(f"run lengths for {size}, in an image of {[height, width]}")
    if not all(type(count) is int and count >= 0 for count in counts):
        raise ValueError("run lengths that are no whole numbers from 0 on")
    if sum(counts) != height * width:
        raise ValueError(f"run lengths of {sum(counts)} pixels, in an image of {height * width}")
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(width, height).T
