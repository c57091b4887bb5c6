"""Scales, crops and mirrors an image and its label together.

Two LMDB `Data` layers would each draw their own crop and flip; here one draw serves both. Only the
part of the image that ends up in the crop is resampled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from caffeformat import InputError
from fcnkit.images import resize_image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Augmentation:
    """What to draw at random for each image.

    `crop`: (height, width) of the result, or None for the scaled image's own size.
    `scale`: (lowest, highest) factor, drawn uniformly in its logarithm; (1, 1) keeps the size.
    `flip`: whether half of the images are mirrored left to right.
    """

    crop: tuple[int, int] | None = None
    scale: tuple[float, float] = (1.0, 1.0)
    flip: bool = False

    def __post_init__(self) -> None:
        crop, scale = self.crop, self.scale
        if crop is not None and (len(crop) != 2 or min(crop) < 1):
            raise InputError(f"crop {crop}: expected a height and a width of at least 1")
        if len(scale) != 2 or not 0 < scale[0] <= scale[1] <= 16:
            raise InputError(f"scale {scale}: expected the lowest and highest factor, 0 to 16")


class Placement(NamedTuple):
    """Where an image goes in a result of `size`."""

    size: tuple[int, int]  # height, width
    window: tuple[int, int, int, int]  # top, left, bottom, right of the part that is covered
    source: tuple[float, float, float, float]  # likewise, the part of the image shown there


def draw(
    augmentation: Augmentation, shape: Sequence[int], random: np.random.RandomState
) -> tuple[Placement, bool]:
    """Draw a `Placement`, and whether to flip, for an image of `shape` (height, width).

    If the scaled image is smaller than the crop, it lies at a random place in it; if it is larger,
    the crop lies at a random place in the image.
    """
    low, high = augmentation.scale
    factor = math.exp(random.uniform(math.log(low), math.log(high))) if low < high else low
    height, width = (max(1, round(extent * factor)) for extent in shape)
    size = augmentation.crop or (height, width)
    window, source = [], []
    for extent, full, wanted in zip(shape, (height, width), size):
        start = random.randint(abs(full - wanted) + 1)
        # Along this axis the result's pixels `first` to `last` show the scaled image.
        if full > wanted:
            first, last, begin = 0, wanted, start
        else:
            first, last, begin = start, start + full, 0
        ratio = extent / full
        window.append((first, last))
        source.append((begin * ratio, (begin + last - first) * ratio))
    flip = augmentation.flip and random.randint(2) == 1
    (top, bottom), (left, right) = window
    (above, below), (before, after) = source
    placement = Placement(size, (top, left, bottom, right), (above, before, below, after))
    return placement, bool(flip)


def whole(shape: Sequence[int], size: Sequence[int] | None = None) -> Placement:
    """The `Placement` of an image of `shape` unscaled at the top left of a result of `size`."""
    height, width = shape
    bottom, right = size or shape
    area = (0, 0, height, width)
    return Placement((bottom, right), area, area)


def sample(array: NDArray[Any], placement: Placement, smooth: bool) -> NDArray[Any]:
    """Resample the pixels of `array`, H x W (x C), that fill the placement's window.

    With `smooth` they are interpolated (images), otherwise the nearest pixel counts (labels).
    Interpolated samples of more than 8 bits are float32.
    """
    top, left, bottom, right = placement.window
    height, width = bottom - top, right - left
    above, before, below, after = placement.source
    if (below - above, after - before) == (height, width):
        row, column = round(above), round(before)
        return array[row : row + height, column : column + width]
    # The interpolating window reaches past the source part by about one result pixel.
    margin = 2 + math.ceil(max((below - above) / height, (after - before) / width))
    row, column = max(0, math.floor(above) - margin), max(0, math.floor(before) - margin)
    part = array[row : math.ceil(below) + margin, column : math.ceil(after) + margin]
    box = (
        before - column,
        above - row,
        min(after - column, part.shape[1]),
        min(below - row, part.shape[0]),
    )
    return resize_image(part, (height, width), smooth, box)
