"""Draws what happens to an image and its label together: place, size, angle, blur, colours.

Two LMDB `Data` layers would each draw their own crop and flip; here one draw serves both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caffeformat import InputError
from fcnkit.images import MAX_PIXELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# The largest values of these options; what is more than that is a mistake in writing.
MOST_SCALE, MOST_BASE, MOST_BLUR = 16, 1 << 14, 20

DRAWS, INTERPOLATIONS, PADS = ("log", "uniform"), ("linear", "cubic"), ("random", "corner")


@dataclass(frozen=True)
class Augmentation:
    """What to draw at random for each image.

    crop           (height, width) of the result, or None for the scaled image's own size
    scale          (lowest, highest) factor; (1, 1) keeps the size
    flip           whether half of the images are mirrored left to right
    rotate         largest angle in degrees, either way, about the centre of the scaled image
    blur           (probability, largest radius): a Gaussian whose standard deviation, in pixels of
                   the result, is drawn uniformly from 0 on
    brightness     the most that values are multiplied by more, or less, than 1
    contrast       likewise, of the distance of values from the picture's mean
    saturation     likewise, of the distance of colours from their grey; needs RGB
    hue            the largest turn of colours about the grey axis, either way, as a share of the
                   circle: 1/3 would turn red into green or blue; needs RGB
    base           length in pixels of the longer side that a factor of 1 stands for, whatever size
                   the image has; None: the image's own
    draw           how the factor is drawn: uniformly in its logarithm ("log") or "uniform"
    interpolation  of images, "linear" or "cubic"; of a label the nearest pixel counts
    pad            where an image lies that is smaller than the crop: at a "random" place, or in the
                   top left "corner"
    """

    crop: tuple[int, int] | None = None
    scale: tuple[float, float] = (1.0, 1.0)
    flip: bool = False
    rotate: float = 0.0
    blur: tuple[float, float] = (0.0, 0.0)
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    base: int | None = None
    draw: str = "log"
    interpolation: str = "linear"
    pad: str = "random"

    def __post_init__(self) -> None:
        crop, scale, blur = self.crop, self.scale, self.blur
        if crop is not None and (len(crop) != 2 or min(crop) < 1):
            raise InputError(f"crop {crop}: expected a height and a width of at least 1")
        if crop is not None and crop[0] * crop[1] > MAX_PIXELS:
            raise InputError(f"crop {crop}: expected at most {MAX_PIXELS:,} pixels")
        if len(scale) != 2 or not 0 < scale[0] <= scale[1] <= MOST_SCALE:
            raise InputError(
                f"scale {scale}: expected the lowest and highest factor, 0 to {MOST_SCALE}"
            )
        if len(blur) != 2 or not (0 <= blur[0] <= 1 and 0 <= blur[1] <= MOST_BLUR):
            raise InputError(
                f"blur {blur}: expected a probability, 0 to 1, and the largest radius, 0 to "
                f"{MOST_BLUR} pixels"
            )
        if self.base is not None and not 1 <= self.base <= MOST_BASE:
            raise InputError(f"base {self.base}: expected a side of 1 to {MOST_BASE} pixels")
        for name, most in _MOST.items():
            if not 0 <= getattr(self, name) <= most:
                raise InputError(f"{name} {getattr(self, name)}: expected a number, 0 to {most:g}")
        for name, words in _WORDS.items():
            if getattr(self, name) not in words:
                raise InputError(f"{name} {getattr(self, name)!r}: expected {' or '.join(words)}")

    @property
    def changes_colours(self) -> bool:
        """Whether it changes colours as only RGB images have them."""
        return self.saturation > 0 or self.hue > 0

    @property
    def is_neutral(self) -> bool:
        """Whether every image stays whole and as it is."""
        draws = (self.flip, self.rotate, self.blur[0] * self.blur[1], self.base, self.crop)
        colours = (self.brightness, self.contrast, self.saturation, self.hue)
        return not any(draws + colours) and self.scale == (1, 1)


_MOST = {"rotate": 180.0, "brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.5}
_WORDS = {"draw": DRAWS, "interpolation": INTERPOLATIONS, "pad": PADS}


class Placement(NamedTuple):
    """Where an image goes in a result of `size`."""

    size: tuple[int, int]  # height, width
    window: tuple[int, int, int, int]  # top, left, bottom, right of the part that is covered
    source: tuple[float, float, float, float]  # likewise, the part of the image shown there


class Colours(NamedTuple):
    """How colours change: three factors, and a turn as a share of the circle of colours."""

    brightness: float
    contrast: float
    saturation: float
    hue: float


class Draw(NamedTuple):
    """What was drawn for one image."""

    placement: Placement
    flip: bool = False
    angle: float = 0.0  # degrees, counterclockwise
    blur: float = 0.0  # standard deviation in pixels of the result
    colours: Colours | None = None
    cubic: bool = False


def draw(augmentation: Augmentation, shape: Sequence[int], random: np.random.RandomState) -> Draw:
    """Draw what happens to an image of `shape` (height, width).

    If the scaled image is larger than the crop, the crop lies at a random place in it. Raises
    `InputError` where the result would have more pixels than images may have.
    """
    placement = _place(augmentation, shape, random)
    flip = augmentation.flip and random.randint(2) == 1
    # All of these are drawn together, so that one of them does not depend on which others there
    # are, and after the others, so that those do not depend on whether there are any.
    angle, blurs, radius, *shares = random.uniform(size=7).tolist()
    likelihood, most = augmentation.blur
    return Draw(
        placement,
        bool(flip),
        (2 * angle - 1) * augmentation.rotate,
        radius * most if blurs < likelihood else 0.0,
        _colours(augmentation, shares),
        augmentation.interpolation == "cubic",
    )


def _place(
    augmentation: Augmentation, shape: Sequence[int], random: np.random.RandomState
) -> Placement:
    factor = _factor(augmentation, random)
    if augmentation.base is not None:
        factor *= augmentation.base / max(shape)
    height, width = (max(1, round(extent * factor)) for extent in shape)
    if augmentation.crop is None and height * width > MAX_PIXELS:
        raise InputError(
            f"an image of {shape[1]}x{shape[0]} pixels, scaled by {factor:.3g}, would have more "
            f"than {MAX_PIXELS:,}: use a smaller scale, or a crop"
        )
    size = augmentation.crop or (height, width)
    window, source = [], []
    for extent, full, wanted in zip(shape, (height, width), size):
        start = random.randint(abs(full - wanted) + 1)
        # Along this axis the result's pixels `first` to `last` show the scaled image.
        if full > wanted:
            first, last, begin = 0, wanted, start
        else:
            start = 0 if augmentation.pad == "corner" else start
            first, last, begin = start, start + full, 0
        ratio = extent / full
        window.append((first, last))
        source.append((begin * ratio, (begin + last - first) * ratio))
    (top, bottom), (left, right) = window
    (above, below), (before, after) = source
    return Placement(size, (top, left, bottom, right), (above, before, below, after))


def _factor(augmentation: Augmentation, random: np.random.RandomState) -> float:
    low, high = augmentation.scale
    if low == high:
        return low
    if augmentation.draw == "uniform":
        return random.uniform(low, high)
    return math.exp(random.uniform(math.log(low), math.log(high)))


def _colours(augmentation: Augmentation, shares: Sequence[float]) -> Colours | None:
    most = (
        augmentation.brightness,
        augmentation.contrast,
        augmentation.saturation,
        augmentation.hue,
    )
    if not any(most):
        return None
    *factors, turn = (limit * (2 * share - 1) for limit, share in zip(most, shares))
    brightness, contrast, saturation = (1 + factor for factor in factors)
    return Colours(brightness, contrast, saturation, turn)


def whole(shape: Sequence[int], size: Sequence[int] | None = None) -> Placement:
    """The `Placement` of an image of `shape` unscaled at the top left of a result of `size`."""
    height, width = shape
    bottom, right = size or shape
    area = (0, 0, height, width)
    return Placement((bottom, right), area, area)


def turning(draw: Draw, shape: Sequence[int]) -> NDArray[np.float64]:
    """The 2 x 3 map from points of a result to points of the image of `shape` that they show.

    The image is turned about its centre; then the window is mirrored in its place, as if nothing
    were turned. Points are (x, y), and pixel 0 reaches from 0 to 1.
    """
    placement = draw.placement
    top, left, bottom, right = placement.window
    above, before, below, after = placement.source
    ratios = np.array([(after - before) / (right - left), (below - above) / (bottom - top)])
    centre = np.array([shape[1] / 2, shape[0] / 2])
    turn = math.radians(draw.angle)
    cos, sin = math.cos(turn), math.sin(turn)
    # In pixels of the scaled image, since the two ratios differ a little.
    turned = ratios[:, None] * np.array([[cos, -sin], [sin, cos]])
    start = np.array([before, above]) / ratios - (left, top) - centre / ratios
    offset = turned @ start + centre
    if draw.flip:
        offset += turned[:, 0] * (left + right)
        turned[:, 0] *= -1
    return np.column_stack([turned, offset])
