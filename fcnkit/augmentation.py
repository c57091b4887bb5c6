"""Image and label scaled, cropped and mirrored together.

Two LMDB `Data` layers would each draw their own crop and flip; here one draw serves both. Only the
part of the image that ends up in the crop is resampled.
"""

import collections
import math

import numpy as np
from PIL import Image

from caffeformat import InputError


class Augmentation(collections.namedtuple("Augmentation", "crop scale flip")):
    """What to draw at random for each image.

    `crop`: (height, width) of the result, or None for the scaled image's own size.
    `scale`: (lowest, highest) factor of a uniform draw of its logarithm; (1, 1) leaves the size.
    `flip`: whether half of the images are mirrored left to right.
    """

    __slots__ = ()

    def __new__(cls, crop=None, scale=(1.0, 1.0), flip=False):
        if crop is not None and (len(crop) != 2 or min(crop) < 1):
            raise InputError(f"crop {crop}: expected a height and a width of at least 1")
        if len(scale) != 2 or not 0 < scale[0] <= scale[1] <= 16:
            raise InputError(f"scale {scale}: expected the lowest and highest factor, 0 to 16")
        return super().__new__(cls, crop and tuple(crop), tuple(scale), bool(flip))


Placement = collections.namedtuple("Placement", "size window source")
Placement.__doc__ = """Where an image goes.

The result's `size` (height, width); the `window` of it that the image covers, in whole pixels; the
part of the image, the `source`, that is shown there; both as (top, left, bottom, right)."""


def draw(augmentation, shape, random):
    """Draw a `Placement` and a flip for an image of `shape` (height, width).

    `random` is a `numpy.random.RandomState`. Returns (placement, flip). Where the scaled image is
    smaller than the crop it lies at a random place in it; where it is larger, the crop does.
    """
    low, high = augmentation.scale
    factor = math.exp(random.uniform(math.log(low), math.log(high))) if low < high else low
    scaled = [max(1, round(extent * factor)) for extent in shape]
    size = augmentation.crop or tuple(scaled)
    window, source = [], []
    for extent, full, wanted in zip(shape, scaled, size):
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


def whole(shape, size=None):
    """The `Placement` of an image of `shape` unscaled at the top left of a result of `size`."""
    area = (0, 0) + tuple(shape)
    return Placement(tuple(size or shape), area, area)


def sample(array, placement, smooth):
    """The pixels of `array` that fill the placement's window, H x W (x 3) uint8.

    `smooth` interpolates (images); otherwise the nearest pixel counts (labels).
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
    resampling = Image.BILINEAR if smooth else Image.NEAREST
    image = Image.fromarray(np.ascontiguousarray(part))
    return np.asarray(image.resize((width, height), resampling, box=box))
