"""From images to what a net reads: BGR channels, mean, scale, N x 3 x H x W."""

import os

import numpy as np

import caffeformat
from caffeformat import FormatError, InputError


class Preprocessor:
    """Turns an H x W x 3 uint8 RGB image into the 1 x 3 x H x W float32 input of a net.

    As in Caffe: channels first, in the order `channels` ("BGR" or "RGB"), then the mean is
    subtracted, then everything is multiplied by `scale`. `mean` is None, one number a channel, or a
    3 x H x W array; it is in the net's channel order. An array is subtracted pixel by pixel from
    images of its size and as its mean colour from all others.
    """

    def __init__(self, mean=None, scale=1.0, channels="BGR"):
        if channels not in ("BGR", "RGB"):
            raise InputError(f"channel order {channels!r}: expected BGR or RGB")
        self.channels, self.scale = channels, float(scale)
        self.mean = None if mean is None else np.asarray(mean, np.float32)
        if self.mean is not None and (self.mean.ndim not in (1, 3) or len(self.mean) != 3):
            raise InputError(f"a mean has 3 values or is 3 x H x W; found shape {self.mean.shape}")

    def __call__(self, image):
        """H x W x 3 uint8 RGB -> 1 x 3 x H x W float32."""
        return self.fill(np.empty((1, 3) + image.shape[:2], np.float32), image)

    def fill(self, out, image):
        """The same into `out`, a 1 x 3 x H x W (or 3 x H x W) float32 array, which is returned."""
        planes = out.reshape(out.shape[-3:])
        planes[:] = (image[:, :, ::-1] if self.channels == "BGR" else image).transpose(2, 0, 1)
        if self.mean is not None:
            planes -= self._mean_for(planes.shape)
        if self.scale != 1:
            planes *= self.scale
        return out

    def _mean_for(self, shape):
        if self.mean.ndim == 1:
            return self.mean[:, None, None]
        if self.mean.shape == shape:
            return self.mean
        return self.mean.mean((1, 2), keepdims=True)


def parse_mean(text):
    """A mean as commands take it: `B,G,R`, one number, a `.binaryproto`, or a text file.

    The text file holds three numbers, blue, green, red, as `create_lmdb` writes `mean.txt`; words
    and lines that begin with `#` are left aside. Returns an array of 3 or 3 x H x W float32.
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
            f"mean {text!r}: expected B,G,R or a file (mean.binaryproto, mean.txt); there is none"
        )
    if text.endswith(".binaryproto"):
        return _mean_image(text)
    return _mean_text(text)


def _mean_image(path):
    mean = np.asarray(caffeformat.read_blob(path), np.float32)
    mean = mean.reshape(mean.shape[-3:]) if mean.ndim > 3 and mean.shape[0] == 1 else mean
    if mean.ndim != 3 or mean.shape[0] != 3:
        raise FormatError(path, f"expected a mean of 3 x H x W, found shape {mean.shape}")
    return mean


def _mean_text(path):
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.split("#")[0] for line in file]
    except UnicodeDecodeError as error:
        raise FormatError(path, "expected three numbers as text, blue green red") from error
    values = []
    for line in lines:
        for word in line.replace(",", " ").split():
            number = _numbers([word])
            values += number or []
    if len(values) != 3:
        raise FormatError(path, f"expected three numbers, blue green red; found {len(values)}")
    return np.array(values, np.float32)


def _numbers(words):
    try:
        return [float(word) for word in words] or None
    except ValueError:
        return None
