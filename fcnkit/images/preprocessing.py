"""Turns images into a net's input: channels first (three of them BGR), mean, scale."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

import caffeformat
from caffeformat import FormatError, InputError, brief
from caffeformat.files import open_text

from .forms import channels_first, count_channels

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from numpy.typing import ArrayLike, NDArray


class Preprocessor:
    """Turns an H x W x C image of any depth into the 1 x C x H x W float32 input of a net.

    As in Caffe: channels first, three of them in the order `channels` ("BGR" or "RGB"), others as
    they are; then the mean is subtracted, then everything is multiplied by `scale`. `mean` is None,
    one number for all channels or one per channel, or a C x H x W array, in the net's channel
    order. An array is subtracted pixel by pixel from images of its size, and as its mean colour
    from all others.
    """

    def __init__(
        self, mean: ArrayLike | None = None, scale: float = 1.0, channels: str = "BGR"
    ) -> None:
        if channels not in ("BGR", "RGB"):
            raise InputError(f"channel order {channels!r}: expected BGR or RGB")
        self.channels, self.scale = channels, float(scale)
        self.mean = None if mean is None else np.atleast_1d(np.asarray(mean, np.float32))
        if self.mean is not None and (self.mean.ndim not in (1, 3) or not self.mean.size):
            raise InputError(
                f"a mean has one value per channel or is C x H x W; found shape {self.mean.shape}"
            )

    def check(self, channels: int) -> None:
        """Raise `InputError` for a mean that is not one of so many channels."""
        if self.mean is not None and len(self.mean) not in (1, channels):
            raise InputError(
                f"the mean has {count_channels(len(self.mean))}, the net's input {channels}: pass "
                "{option}, one value for all channels or one per channel",
                option="mean",
            )

    def __call__(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Convert H x W x C to 1 x C x H x W float32."""
        shape = (1, image.shape[2], *image.shape[:2])
        return self.fill(np.empty(shape, np.float32), image)

    def fill(self, out: NDArray[np.float32], image: NDArray[Any]) -> NDArray[np.float32]:
        """Write the input into `out`, 1 x C x H x W (or C x H x W) float32, and return `out`.

        Raises `InputError` for a mean of another number of channels.
        """
        planes = out.reshape(out.shape[-3:])
        planes[:] = channels_first(image, self.channels)
        self.normalize(planes)
        return out

    def normalize(self, planes: NDArray[np.float32]) -> None:
        """Subtract the mean from C x H x W and multiply by the scale, in place.

        Raises `InputError` for a mean of another number of channels.
        """
        self.check(len(planes))
        if self.mean is not None:
            planes -= _mean_for(self.mean, planes.shape)
        if self.scale != 1:
            planes *= self.scale

    def mean_colour(self, channels: int) -> NDArray[np.float32]:
        """The mean of each channel, in the net's order; zeros where there is no mean.

        Raises `InputError` for a mean of another number of channels.
        """
        self.check(channels)
        if self.mean is None:
            return np.zeros(channels, np.float32)
        means = self.mean.reshape(len(self.mean), -1).mean(1)
        return np.broadcast_to(means, (channels,))


def _mean_for(mean: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The mean as what is subtracted from an input of `shape` (C, H, W)."""
    if mean.ndim == 1:
        return mean[:, None, None]
    if mean.shape == shape:
        return mean
    return mean.mean((1, 2), keepdims=True)


def parse_mean(text: str) -> NDArray[np.float32]:
    """Parse a mean: numbers such as `B,G,R`, or the path of a `.binaryproto` or text file.

    Numbers are one for all channels, or one per channel in the net's order. A text file holds the
    same, like the `mean.txt` that `create_lmdb` writes; words and lines that begin with `#` are
    ignored. Returns float32 of shape C or C x H x W.
    """
    values = _numbers(text.replace(",", " ").split())
    if values is not None:
        return np.array(values, np.float32)
    if not os.path.exists(text):
        raise InputError(
            f"mean {brief(text)}: expected numbers, one per channel (B,G,R), or a file "
            "(mean.binaryproto, mean.txt); no such file"
        )
    if text.endswith(".binaryproto"):
        return caffeformat.read_mean(text)
    return _mean_text(text)


def _mean_text(path: str) -> NDArray[np.float32]:
    try:
        with open_text(path) as file:
            lines = [line.split("#")[0] for line in file]
    except UnicodeDecodeError as error:
        raise FormatError(path, "expected numbers as text, one per channel") from error
    values: list[float] = []
    for line in lines:
        for word in line.replace(",", " ").split():
            number = _numbers([word])
            values += number or []
    if not values:
        raise FormatError(path, "expected numbers, one per channel; found none")
    return np.array(values, np.float32)


def _numbers(words: Iterable[str]) -> list[float] | None:
    try:
        return [float(word) for word in words] or None
    except ValueError:
        return None
