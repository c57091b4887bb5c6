"""COCO's two forms of a mask as H x W booleans: polygons, and run lengths.

https://cocodataset.org/#format-data. A pixel belongs to a polygon where its centre lies inside;
COCO's own tools round edges a little otherwise, so that borders may differ by a pixel.
"""

import numpy as np

from caffeformat import FormatError
from fcnkit.images import MAX_PIXELS


def mask_of(segmentation, height, width, name):
    """The mask of an annotation's `segmentation`; `FormatError` with `name` where it is damaged."""
    if not all(isinstance(size, int) and size > 0 for size in (height, width)):
        raise FormatError(name, f"a size of {height} x {width}")
    if height * width > MAX_PIXELS:
        raise FormatError(name, f"refused: {height} x {width} pixels")
    try:
        if isinstance(segmentation, dict):
            return _from_runs(segmentation, height, width, name)
        mask = np.zeros((height, width), bool)
        for polygon in segmentation:
            mask |= polygon_mask(np.asarray(polygon, np.float64).reshape(-1, 2), height, width)
        return mask
    except FormatError:
        raise
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise FormatError(name, f"a segmentation that cannot be read: {error}") from error


def polygon_mask(points, height, width):
    """H x W bool: pixels whose centre is inside the polygon, N x 2 (x, y) with edges between.

    Where it crosses itself, what an odd number of its edges lies left of is inside.
    """
    if not np.isfinite(points).all():
        raise ValueError("a corner that is no number")
    x0, y0 = points.T
    x1, y1 = np.roll(points, -1, axis=0).T
    # Rows whose centre an edge passes: from the upper end (included) to the lower (not).
    first = np.clip(np.ceil(np.minimum(y0, y1) - 0.5), 0, height).astype(int)
    last = np.clip(np.ceil(np.maximum(y0, y1) - 0.5), 0, height).astype(int)
    counts = last - first
    edges = np.repeat(np.arange(len(points)), counts)
    rows = np.arange(len(edges)) - np.repeat(np.cumsum(counts) - counts, counts) + first[edges]
    slope = (x1 - x0)[edges] / (y1 - y0)[edges]
    crossings = x0[edges] + (rows + 0.5 - y0[edges]) * slope
    columns = np.clip(np.ceil(crossings - 0.5), 0, width).astype(int)
    turns = np.zeros((height, width + 1), np.int64)
    np.add.at(turns, (rows, columns), 1)
    return np.cumsum(turns[:, :width], axis=1) % 2 == 1


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


def _from_runs(segmentation, height, width, name):
    """Runs of pixels outside and inside, by turns, down the columns."""
    counts = segmentation["counts"]
    counts = run_lengths(counts) if isinstance(counts, str) else [int(n) for n in counts]
    size = list(segmentation.get("size", (height, width)))
    if size != [height, width] or any(n < 0 for n in counts) or sum(counts) != height * width:
        raise FormatError(
            name, f"run lengths of {sum(counts)} pixels, {size}, for an image of {height} x {width}"
        )
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(width, height).T
