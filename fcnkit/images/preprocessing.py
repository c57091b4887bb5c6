"""Turns images into a net's input: BGR channels, mean, scale, N x 3 x H x W."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

import caffeformat
from caffeformat import FormatError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray


class Preprocessor:
    """Turns an H x W x 3 uint8 RGB image into the 1 x 3 x H x W float32 input of a net.

    As in Caffe: channels first, in the order `channels` ("BGR" or "RGB"), then the mean is
    subtracted, then everything is multiplied by `scale`. `mean` is None, one number per channel, or
    a 3 x H x W array, in the net's channel order. An array is subtracted pixel by pixel from images
    of its size, and as its mean colour from all others.
    """

    def __init__(
        self, mean: ArrayLike | None = None, scale: float = 1.0, channels: str = "BGR"
    ) -> None:
        if channels not in ("BGR", "RGB"):
            raise InputError(f"channel order {channels!r}: expected BGR or RGB")
        self.channels, self.scale = channels, float(scale)
        self.mean = None if mean is None else np.asarray(mean, np.float32)
        if self.mean is not None and (self.mean.ndim not in (1, 3) or len(self.mean) != 3):
            raise InputError(f"a mean has 3 values or is 3 x H x W; found shape {self.mean.shape}")

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Convert H x W x 3 uint8 RGB to 1 x 3 x H x W float32."""
        return self.fill(np.empty((1, 3) + image.shape[:2], np.float32), image)

    def fill(self, out: NDArray[np.float32], image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Write the input into `out`, 1 x 3 x H x W (or 3 x H x W) float32, and return `out`."""
        planes = out.reshape(out.shape[-3:])
        planes[:] = (image[:, :, ::-1] if self.channels == "BGR" else image).transpose(2, 0, 1)
        if self.mean is not None:
            planes -= _mean_for(self.mean, planes.shape)
        if self.scale != 1:
            planes *= self.scale
        return out


def _mean_for(mean: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The mean as what is subtracted from an input of `shape` (3, H, W)."""
    if mean.ndim == 1:
        return mean[:, None, None]
    if mean.shape == shape:
        return mean
    return mean.mean((1, 2), keepdims=True)


def parse_mean(text: str) -> NDArray[np.float32]:
    """Parse a mean: `B,G,R`, one number, or the path of a `.binaryproto` or text file.

    A text file holds three numbers, blue, green, red, like the `mean.txt` that `create_lmdb`
    writes; words and lines that begin with `#` are ignored. Returns float32 of shape 3 or
    3 x H x W.
    """
    values = _numbers(text.replace(",", " ").split())
    if values is not None:
        if len(values) == 1:
            values *= 3
        if len(values) != 3:
            raise InputError(
                f"mean {text!r}: expected three numbers B,G,R (or one), found {len(values)}"
            )
        return np.array(values, np.float32)
    if not os.path.exists(text):
        raise InputError(
            f"mean {text!r}: expected B,G,R or a file (mean.binaryproto, mean.txt); no such file"
        )
    if text.endswith(".binaryproto"):
        return _mean_image(text)
    return _mean_text(text)


def _mean_image(path: str) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = np.asarray(caffeformat.read_blob(path), np.float32)
    mean = mean.reshape(mean.shape[-3:]) if mean.ndim > 3 and mean.shape[0] == 1 else mean
    if mean.ndim != 3 or mean.shape[0] != 3:
        raise FormatError(path, f"expected a mean of 3 x H x W, found shape {mean.shape}")
    return mean


def _mean_text(path: str) -> NDArray[np.float32]:
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.split("#")[0] for line in file]
    except UnicodeDecodeError as error:
        raise FormatError(path, "expected three numbers as text, blue green red") from error
    values: list[float] = []
    for line in lines:
        for word in line.replace(",", " ").split():
            number = _numbers([word])
            values += number or []
    if len(values) != 3:
        raise FormatError(path, f"expected three numbers, blue green red; found {len(values)}")
    return np.array(values, np.float32)


def _numbers(words: Iterable[str]) -> list[float] | None:
    try:
        return [float(word) for word in words] or None
    except ValueError:
        return None
