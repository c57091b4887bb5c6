"""What images are read as: how many channels of which depth, and how any image is shown as RGB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import InputError

from .pictures import open_picture
from .reading import source_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .reading import ImageSource

# What a sample of an image can be, and how people call it.
DEPTHS = {"uint8": "8 bits", "uint16": "16 bits", "float32": "floating point"}

# Brightness by ITU-R BT.601 in 16 bits of fixed point, as Pillow computes it.
_BRIGHTNESS = (19595, 38470, 7471)

# Of an image with more than 8 bits, these percentiles are shown black and white.
_SHOWN_RANGE = (1.0, 99.0)


@dataclass(frozen=True)
class ImageForm:
    """What every image of a dataset, or of a net's input, has to be. None leaves it as it is.

    channels  number of channels. A grey image becomes three equal channels, a colour image one, its
              brightness; transparency is dropped unless it makes the number complete. Everything
              else is an error
    depth     "uint8", "uint16" or "float32"; an image of another one is an error
    white     makes images of more than 8 bits uint8: 0 stays 0, this value becomes 255, larger
              ones are an error
    """

    channels: int | None = None
    depth: str | None = None
    white: float | None = None

    def __post_init__(self) -> None:
        if self.channels is not None and self.channels < 1:
            raise InputError(f"{self.channels} channels: expected 1 or more")
        if self.depth is not None and self.depth not in DEPTHS:
            raise InputError(f"depth {self.depth!r}: expected {', '.join(DEPTHS)}")
        if self.white is not None and not 0 < self.white < np.inf:
            raise InputError(f"white {self.white}: expected the value that becomes 255")

    def read(self, source: ImageSource, name: str | None = None) -> NDArray[Any]:
        """Read an image file as H x W x C uint8, uint16 or float32, turned as viewers show it.

        `source` is a path or a file's content, `name` what errors call it. Three channels are RGB,
        others in the order of the file. Raises `InputError` as `open_picture` and `fit`.
        """
        name = name or source_name(source, "image")
        with open_picture(source, name) as picture:
            wanted = picture.channels if self.channels is None else self.channels
            form = ImageForm(wanted, self.depth, self.white)
            return form.fit(picture.pixels(), name, picture.has_alpha)

    def fit(
        self, image: NDArray[Any], name: str = "image", has_alpha: bool = False
    ) -> NDArray[Any]:
        """Convert H x W (x C) to this form; `has_alpha`: the last channel is transparency.

        Raises `InputError`, naming `name`, where that would lose or invent values.
        """
        image = image[..., None] if image.ndim == 2 else image
        if self.channels is not None:
            image = _with_channels(image, self.channels, name, has_alpha)
        return self._with_depth(image, name)

    def _with_depth(self, image: NDArray[Any], name: str) -> NDArray[Any]:
        found = image.dtype.name
        if self.white is not None and found != "uint8":
            return _scaled(image, self.white, name)
        if self.depth is None or found == self.depth:
            return image
        what = f"{name}: holds {DEPTHS.get(found, found)} per channel"
        if self.depth == "uint8":
            raise InputError(
                f"{what} (values {image.min():g} to {image.max():g}), expected 8: pass {{option}}, "
                "the value that becomes 255 (4095 where 12 bits are used, 65535 for 16)",
                option="white",
            )
        raise InputError(
            f"{what}, expected {DEPTHS[self.depth]}: use images of one kind, or store them in "
            "another dataset"
        )


def read_image(
    source: ImageSource, name: str | None = None, form: ImageForm | None = None
) -> NDArray[Any]:
    """Read an image file as H x W x C uint8, uint16 or float32; see `ImageForm.read`."""
    return (form or ImageForm()).read(source, name)


def read_rgb(source: ImageSource, name: str | None = None) -> NDArray[np.uint8]:
    """Read an image file as H x W x 3 uint8 RGB, turned by its EXIF orientation as viewers do.

    Transparency is ignored. Raises `InputError` for images of more than 8 bits and for those that
    are neither grey nor colour: see `ImageForm` and `as_rgb`.
    """
    return ImageForm(3, "uint8").read(source, name)


def as_rgb(image: NDArray[Any], bands: Sequence[int] | None = None) -> NDArray[np.uint8]:
    """Show H x W (x C) of any depth as H x W x 3 uint8 RGB.

    `bands` are the channels for red, green and blue, counted from 1 (default: the first three; of
    fewer the first one alone, as grey). Values of more than 8 bits are stretched: the first
    percentile of the image becomes 0, the last one 255.
    """
    image = image[..., None] if image.ndim == 2 else image
    count = image.shape[2]
    if count < 3 or bands is None:
        bands = (1, 2, 3) if count >= 3 else (1, 1, 1)
    check_bands(bands, count)
    shown = image if count == 3 and tuple(bands) == (1, 2, 3) else image[..., np.array(bands) - 1]
    if shown.dtype == np.uint8:
        return np.ascontiguousarray(shown)
    step = max(1, int((shown.shape[0] * shown.shape[1] / (1 << 16)) ** 0.5))
    low, high = np.percentile(shown[::step, ::step].astype(np.float64), _SHOWN_RANGE)
    stretched = (shown - low) * (255 / max(high - low, np.finfo(np.float32).tiny))
    return np.rint(np.clip(stretched, 0, 255)).astype(np.uint8)


def check_bands(bands: Sequence[int], channels: int | None = None) -> None:
    """Raise `InputError` unless `bands` are three channels, counted from 1, of so many."""
    most = np.inf if channels is None else channels
    if len(bands) != 3 or not all(1 <= band <= most for band in bands):
        there = "" if channels is None else f" of {channels}"
        raise InputError(
            f"{{option}}: expected three channels{there}, counted from 1, for red, green and blue",
            option="bands",
            value=",".join(map(str, bands)),
        )


def channels_first(image: NDArray[Any], order: str = "BGR") -> NDArray[Any]:
    """H x W x C as C x H x W, a view; three channels become `order`, "BGR" as in Caffe or "RGB"."""
    is_turned = image.shape[2] == 3 and order == "BGR"
    return (image[..., ::-1] if is_turned else image).transpose(2, 0, 1)


def channels_last(array: NDArray[Any]) -> NDArray[Any]:
    """C x H x W, BGR where it is three, as H x W x C, RGB where it is three."""
    turned = array[::-1] if len(array) == 3 else array
    return np.ascontiguousarray(turned.transpose(1, 2, 0))


def _with_channels(image: NDArray[Any], wanted: int, name: str, has_alpha: bool) -> NDArray[Any]:
    found = image.shape[2]
    if found == wanted:
        return image
    image = image[..., :-1] if has_alpha else image
    if image.shape[2] == wanted:
        return image
    if (image.shape[2], wanted) == (1, 3):
        return np.repeat(image, 3, axis=2)
    if (image.shape[2], wanted) == (3, 1):
        return _brightness(image)
    if len(image) == wanted:
        raise InputError(
            f"{name}: has {count_channels(found)}, expected {wanted}: it seems to be an array of "
            "channels x height x width; save it as height x width x channels"
        )
    raise InputError(
        f"{name}: has {count_channels(found)}, expected {wanted}: use images of {wanted}, or a net "
        f"and a dataset of {found}"
    )


def count_channels(count: int) -> str:
    """`1 channel`, `4 channels`."""
    return f"{count} channel{'' if count == 1 else 's'}"


def _brightness(image: NDArray[Any]) -> NDArray[Any]:
    red, green, blue = (image[..., channel].astype(np.float64) for channel in range(3))
    sums = red * _BRIGHTNESS[0] + green * _BRIGHTNESS[1] + blue * _BRIGHTNESS[2]
    if image.dtype != np.float32:
        return np.floor(sums / 0x10000 + 0.5).astype(image.dtype)[..., None]
    return (sums / 0x10000).astype(np.float32)[..., None]


def _scaled(image: NDArray[Any], white: float, name: str) -> NDArray[np.uint8]:
    low, high = image.min(), image.max()
    if low < 0 or high > white:
        raise InputError(
            f"{name}: holds values {low:g} to {high:g}, expected 0 to {white:g}: pass a larger "
            "{option}",
            option="white",
        )
    scaled = np.floor(image.astype(np.float64) * 255 / white + 0.5)
    return scaled.astype(np.uint8)
