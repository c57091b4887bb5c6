"""Scores of one image from many passes: over scales, mirror images and overlapping windows.

A net's scores for an image are put together from windows of the image at several sizes. Everything
is computed for one block of the image's pixels at a time, so that neither the net nor the sums need
more memory for a larger image; the result does not depend on the blocks.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caffeformat import InputError
from fcnkit.nets import window_starts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from numpy.typing import NDArray

    Size = tuple[int, int]  # height, width
    Planes = NDArray[np.float32]  # C x H x W
    Span = tuple[int, int]  # begin, end

_STEP = 0.25  # between START and END of `parse_scales`
_SCALES = (1 / 16, 16.0)  # the least and the largest
_MOST_SCALES = 32
_MOST_IMAGES = 256  # that are read before the first one is written
_BLOCK_VALUES = 1 << 26  # scores of a block


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """How an image is evaluated beyond one pass over the whole.

    scales  factors of the image's size; at each of them the net sees the image once
    flip    at each of them once more, mirrored left to right
    window  the longest side that the net sees at a time; larger images are cut into overlapping
            windows, two thirds of that apart. None: the whole image at once
    batch   how many images of one size the net sees at a time, where several are to be segmented;
            the results are those of one after the other

    The softmax probabilities of all passes are averaged: first those of a window and its mirror
    image, then those of overlapping windows, pixel by pixel, then those of the scales, each resized
    to the image (`resized`). That is GluonCV's multi-scale evaluation (`MultiEvalModel`), except
    that it adds up scores before it takes their exponentials, states scales as shares of a base
    size, and fills the last window up with the mean colour where here it is moved back to end at
    the border.
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    window: int | None = None
    batch: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "scales", tuple(float(scale) for scale in self.scales))
        if not 1 <= len(self.scales) <= _MOST_SCALES:
            raise InputError(f"{len(self.scales)} scales: expected 1 to {_MOST_SCALES}")
        for scale in self.scales:
            if not _SCALES[0] <= scale <= _SCALES[1]:
                raise InputError(
                    f"scale {scale:g}: expected a factor of the image's size from {_SCALES[0]:g} "
                    f"to {_SCALES[1]:g}"
                )
        if self.window is not None and self.window < 16:
            raise InputError(f"a window of {self.window} pixels: expected 16 or more")
        if not 1 <= self.batch <= _MOST_IMAGES:
            raise InputError(
                f"{self.batch} images in {{option}}: expected 1 to {_MOST_IMAGES}", option="batch"
            )

    @property
    def is_plain(self) -> bool:
        """Whether this is one pass over the whole image, whose scores stay as they are."""
        return self.scales == (1.0,) and not self.flip and self.window is None


def parse_scales(text: str) -> tuple[float, ...]:
    """Parse `0.75,1,1.25`, or `0.5:1.75`: from 0.5 to 1.75 in steps of 0.25."""
    expected = "expected factors such as 0.75,1,1.25 or START:END in steps of 0.25, such as 0.5:2"
    try:
        if ":" not in text:
            return tuple(float(part) for part in text.split(","))
        start, end = (float(part) for part in text.split(":"))
    except ValueError:
        raise InputError(f"scales {text!r}: {expected}") from None
    steps = (end - start) / _STEP
    if not (0 <= steps < _MOST_SCALES and steps == round(steps)):
        raise InputError(f"scales {text!r}: {expected}")
    return tuple(start + _STEP * i for i in range(round(steps) + 1))


class Block(NamedTuple):
    """The averaged scores of one part of an image, or of several of one size."""

    rows: slice
    columns: slice
    scores: NDArray[np.float32]  # (images x) classes x rows x columns


class Passes:
    """The passes of a net over one image, or over several of one size, averaged.

    shape    (height, width) of the image
    scales   factors of its size
    part     returns the net's input for (top, left, bottom, right) of the image, C x h x w, with an
             axis of images before it where there are several
    score    returns the net's scores for such an input, of one size at a scale, classes x h x w,
             with that axis as well
    window   returns the (height, width) of the windows that an image of a size is cut into, at most
             that size
    """

    def __init__(
        self,
        shape: Size,
        scales: tuple[float, ...],
        part: Callable[[int, int, int, int], Planes],
        score: Callable[[Planes], NDArray[np.float32]],
        window: Callable[[Size], Size],
    ) -> None:
        self._shape, self._scales = shape, scales
        self._part, self._score, self._window = part, score, window

    def blocks(self, classes: int, most: int | None = None) -> Iterator[Block]:
        """The averaged scores block by block, each of at most `most` values (default: 64 million).

        An image that is not cut into windows is one block.
        """
        most = _BLOCK_VALUES if most is None else most
        height, width = self._shape
        side = max(height, width)
        if any(self._window(size) != size for size in map(self._scaled, self._scales)):
            side = max(16, int(math.sqrt(most / classes)))
        for top in range(0, height, side):
            for left in range(0, width, side):
                rows, columns = (top, min(top + side, height)), (left, min(left + side, width))
                total = self._at_scale(self._scales[0], rows, columns)
                for scale in self._scales[1:]:
                    total += self._at_scale(scale, rows, columns)
                total /= len(self._scales)
                yield Block(slice(*rows), slice(*columns), total)

    def _scaled(self, scale: float) -> Size:
        height, width = (max(1, math.floor(extent * scale + 0.5)) for extent in self._shape)
        return height, width

    def _at_scale(self, scale: float, rows: Span, columns: Span) -> NDArray[np.float32]:
        """The scores of the image's `rows` and `columns` from passes at one scale."""
        size = self._scaled(scale)
        down, across = (Taps(o, n, *s) for o, n, s in zip(size, self._shape, (rows, columns)))
        window = self._window(size)
        total = count = None
        for top in _starts(size[0], window[0], down.span):
            for left in _starts(size[1], window[1], across.span):
                made = self._score(self._input(size, (top, left), window))
                if total is None or count is None:
                    area = (down.span[1] - down.span[0], across.span[1] - across.span[0])
                    total = np.zeros((*made.shape[:-2], *area), np.float32)
                    count = np.zeros(area, np.float32)
                rows_here, rows_there = _common(top, top + window[0], down.span)
                columns_here, columns_there = _common(left, left + window[1], across.span)
                total[..., rows_there, columns_there] += made[..., rows_here, columns_here]
                count[rows_there, columns_there] += 1
        assert total is not None and count is not None  # windows cover everything
        total /= count
        return resized(total, down, across)

    def _input(self, size: Size, corner: Size, window: Size) -> Planes:
        """The net's input for a window of the image resized to `size`."""
        down, across = (
            Taps(old, new, begin, begin + length)
            for old, new, begin, length in zip(self._shape, size, corner, window)
        )
        planes = self._part(down.span[0], across.span[0], down.span[1], across.span[1])
        return resized(planes, down, across)


class Taps:
    """What the pixels `begin` to `end` of an axis resized from `old` to `new` pixels are made of.

    Pixel i has its centre at x = (i + 1/2) old / new of the old axis. It is the mean of the pixels
    j there, weighted by max(0, 1 - |j + 1/2 - x| / r), where r = max(1, old / new): linear
    interpolation, and where the axis shrinks a triangle that misses no pixel (Pillow's `BILINEAR`).

    `span` is (begin, end) of the old pixels that are needed.
    """

    def __init__(self, old: int, new: int, begin: int, end: int) -> None:
        self.is_copy = old == new
        if self.is_copy:
            self.span = begin, end
            return
        ratio = old / new
        reach = max(1.0, ratio)
        centres = (np.arange(begin, end) + 0.5) * ratio
        first = np.floor(centres - reach).astype(np.intp)
        places = first[:, None] + np.arange(math.ceil(2 * reach) + 1)
        weights = np.maximum(0, 1 - np.abs(places + 0.5 - centres[:, None]) / reach)
        weights[(places < 0) | (places >= old)] = 0
        used = places[weights > 0]
        self.span = int(used.min()), int(used.max()) + 1
        self._places = np.clip(places, self.span[0], self.span[1] - 1) - self.span[0]
        self._weights = (weights / weights.sum(1, keepdims=True)).astype(np.float32)

    def apply(self, planes: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
        """Resize ... x H x W along `axis` (-2 or -1), which holds the pixels of `span`."""
        if self.is_copy:
            return planes
        total: Any = 0
        for places, weights in zip(self._places.T, self._weights.T):
            if weights.any():
                total = total + planes.take(places, axis) * (
                    weights[:, None] if axis == -2 else weights
                )
        return np.asarray(total, np.float32)


def resized(planes: NDArray[np.float32], down: Taps, across: Taps) -> NDArray[np.float32]:
    """Resize ... x H x W, which holds the pixels that both `Taps` need."""
    return across.apply(down.apply(planes, -2), -1)


def _starts(extent: int, window: int, span: Span) -> list[int]:
    """Those of `window_starts` whose windows have pixels in `span`."""
    return [at for at in window_starts(extent, window) if at < span[1] and at + window > span[0]]


def _common(begin: int, end: int, span: Span) -> tuple[slice, slice]:
    """What a window from `begin` to `end` and `span` have in common, counted from either."""
    first, last = max(begin, span[0]), min(end, span[1])
    return slice(first - begin, last - begin), slice(first - span[0], last - span[0])


def probabilities(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """The softmax of `scores`, (N x) classes x H x W: exp(s_i) / sum_j exp(s_j), float32."""
    made: NDArray[np.float32] = np.exp(scores - scores.max(-3, keepdims=True))
    made /= made.sum(-3, keepdims=True)
    return made
