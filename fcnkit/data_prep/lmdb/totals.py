"""Sums over a dataset (pixel mean, class histogram, sizes), the same in any order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fcnkit.images import palette_agrees

from ..findings import is_black_and_white
from .sums import PixelSums

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

# Mean images are for nets of one small input size; above 4 megapixels none is computed.
MAX_MEAN_PIXELS = 1 << 22
MAX_MEAN_SAMPLES = 1 << 25


class Totals:
    """Sums over the images and labels of a dataset; `merge` adds those of another process.

    `shape` is the first image's (C, H, W), `depth` what all samples are. Attributes: `count`
    (images), `pixels`, `class_pixels` (256 counts), `smallest` and `largest` (width, height),
    `other_palettes` (labels with other colours than expected), `same_shape` (whether all images
    have `shape`), `black_and_white` (labels that hold only 0 and 255), `lossy` (labels) and
    `doubtful` (their uncertain pixels), `repeated` (grey images that became colour ones),
    `transparent` (images whose transparency was left out).
    """

    def __init__(self, shape: tuple[int, int, int], depth: str = "uint8") -> None:
        self.shape = shape
        self.count = self.pixels = self.other_palettes = 0
        self.black_and_white = self.lossy = self.doubtful = self.repeated = self.transparent = 0
        self.class_pixels: NDArray[np.int64] = np.zeros(256, np.int64)
        self.smallest: tuple[int, int] | None = None
        self.largest: tuple[int, int] | None = None
        self.same_shape = True
        # A pixel is counted in one of these: in the second as long as a mean image is possible.
        is_float = depth == "float32"
        self._channel_sums = PixelSums((shape[0],), is_float)
        self._pixel_sums: PixelSums | None = None
        if shape[1] * shape[2] <= MAX_MEAN_PIXELS and np.prod(shape) <= MAX_MEAN_SAMPLES:
            integer = np.uint32 if depth == "uint8" else np.int64
            self._pixel_sums = PixelSums((shape[1], shape[2], shape[0]), is_float, integer)

    def add(self, image: Image.Image | NDArray[Any], class_counts: NDArray[np.int64]) -> None:
        """Add an image (`PIL.Image` of mode L or RGB, or H x W x C) and its label's 256 counts."""
        if isinstance(image, np.ndarray):
            size, channels = (image.shape[1], image.shape[0]), image.shape[2]
        else:
            size, channels = image.size, len(image.getbands())
        self.count += 1
        self.pixels += size[0] * size[1]
        self.class_pixels += class_counts
        self.black_and_white += is_black_and_white(class_counts)
        self._see_size(size)
        if (channels, *size[::-1]) != self.shape:
            self.same_shape = False
            self._give_up_mean_image()
        if self._pixel_sums is not None:
            self._pixel_sums.add(np.asarray(image))
        elif isinstance(image, np.ndarray):
            kind = np.float64 if image.dtype == np.float32 else np.int64
            self._channel_sums.add(image.sum((0, 1), dtype=kind))
        else:
            # Pillow's histogram is several times faster than NumPy's sum over a channel.
            histogram = np.array(image.histogram(), np.int64).reshape(-1, 256)
            self._channel_sums.add(histogram @ np.arange(256))

    def check_palette(
        self, label: Image.Image, class_counts: NDArray[np.int64], palette: NDArray[np.uint8]
    ) -> None:
        """Count a paletted label image if the colours it uses are not those of `palette`."""
        self.other_palettes += not palette_agrees(label, class_counts, palette)

    def add_lossy(self, doubtful: int) -> None:
        """Count a label with lossy compression, of which so many pixels may have changed."""
        self.lossy += 1
        self.doubtful += doubtful

    def merge(self, other: Totals) -> None:
        """Add the sums of `other`."""
        if other.smallest is None or other.largest is None:
            return
        self.count += other.count
        self.pixels += other.pixels
        self.other_palettes += other.other_palettes
        self.black_and_white += other.black_and_white
        self.lossy += other.lossy
        self.doubtful += other.doubtful
        self.repeated += other.repeated
        self.transparent += other.transparent
        self.class_pixels += other.class_pixels
        self._see_size(other.smallest)
        self._see_size(other.largest)
        self.same_shape = self.same_shape and other.same_shape
        if not self.same_shape:
            self._give_up_mean_image()
            other._give_up_mean_image()
        self._channel_sums.merge(other._channel_sums)
        if self._pixel_sums is not None and other._pixel_sums is not None:
            self._pixel_sums.merge(other._pixel_sums)

    @property
    def mean(self) -> NDArray[np.float64]:
        """The mean pixel, C floats, RGB where there are three."""
        sums = self._channel_sums.total
        if self._pixel_sums is not None:
            sums = sums + _over_pixels(self._pixel_sums.total)
        return sums / self.pixels

    @property
    def mean_image(self) -> NDArray[np.float64] | None:
        """The mean image, C x H x W, RGB where it is three; None if shapes differ or are large."""
        if self._pixel_sums is None:
            return None
        return (self._pixel_sums.total / self.count).transpose(2, 0, 1)

    def _give_up_mean_image(self) -> None:
        """Continue with sums per channel instead of sums per pixel."""
        if self._pixel_sums is not None:
            self._channel_sums.add(_over_pixels(self._pixel_sums.total))
            self._pixel_sums = None

    def _see_size(self, size: tuple[int, int]) -> None:
        def area(size: tuple[int, int]) -> tuple[int, tuple[int, int]]:
            return size[0] * size[1], size

        self.smallest = min(self.smallest or size, size, key=area)
        self.largest = max(self.largest or size, size, key=area)


def _over_pixels(sums: NDArray[Any]) -> NDArray[Any]:
    """Sums of H x W x C per channel."""
    return sums.sum((0, 1), dtype=np.float64 if sums.dtype == np.float64 else np.int64)
