"""Sums over a dataset (pixel mean, class histogram, sizes), exact in any order: all integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fcnkit.images import palette_agrees

from ..findings import is_black_and_white

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

# Mean images are for nets of one small input size; above 4 megapixels none is computed.
MAX_MEAN_PIXELS = 1 << 22


class Totals:
    """Sums over the images and labels of a dataset; `merge` adds those of another process.

    `shape` is the first image's (C, H, W). Attributes: `count` (images), `pixels`, `class_pixels`
    (256 counts), `smallest` and `largest` (width, height), `other_palettes` (labels with other
    colours than expected), `same_shape` (whether all images have `shape`), `black_and_white`
    (labels that hold only 0 and 255), `lossy` (labels) and `doubtful` (their uncertain pixels).
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self.count = self.pixels = self.other_palettes = 0
        self.black_and_white = self.lossy = self.doubtful = 0
        self.class_pixels: NDArray[np.int64] = np.zeros(256, np.int64)
        self.smallest: tuple[int, int] | None = None
        self.largest: tuple[int, int] | None = None
        self.same_shape = True
        # A pixel is counted in one of these: in the second as long as a mean image is possible.
        self._channel_sums: NDArray[np.int64] = np.zeros(3, np.int64)
        self._pixel_sums: NDArray[np.uint32] | None = None
        if shape[1] * shape[2] <= MAX_MEAN_PIXELS:
            self._pixel_sums = np.zeros((shape[1], shape[2], shape[0]), np.uint32)

    def add(self, image: Image.Image, class_counts: NDArray[np.int64]) -> None:
        """Add an image (`PIL.Image`, mode L or RGB) and its label's 256 counts."""
        self.count += 1
        self.pixels += image.size[0] * image.size[1]
        self.class_pixels += class_counts
        self.black_and_white += is_black_and_white(class_counts)
        self._see_size(image.size)
        if (len(image.getbands()),) + image.size[::-1] != self.shape:
            self.same_shape = False
            self._give_up_mean_image()
        if self._pixel_sums is not None:
            self._pixel_sums += np.asarray(image).reshape(self._pixel_sums.shape)
        else:
            # Pillow's histogram is several times faster than NumPy's sum over a channel.
            histogram = np.array(image.histogram(), np.int64).reshape(-1, 256)
            self._channel_sums += histogram @ np.arange(256)

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
        self.class_pixels += other.class_pixels
        self._see_size(other.smallest)
        self._see_size(other.largest)
        self.same_shape = self.same_shape and other.same_shape
        if not self.same_shape:
            self._give_up_mean_image()
            other._give_up_mean_image()
        self._channel_sums += other._channel_sums
        if self._pixel_sums is not None and other._pixel_sums is not None:
            self._pixel_sums += other._pixel_sums

    @property
    def mean(self) -> NDArray[np.float64]:
        """The mean pixel, 3 floats RGB."""
        sums = self._channel_sums
        if self._pixel_sums is not None:
            sums = sums + self._pixel_sums.sum((0, 1), dtype=np.int64)
        return sums / self.pixels

    @property
    def mean_image(self) -> NDArray[np.float64] | None:
        """The mean image, C x H x W RGB; None if shapes differ or are very large."""
        if self._pixel_sums is None:
            return None
        return (self._pixel_sums / self.count).transpose(2, 0, 1)

    def _give_up_mean_image(self) -> None:
        """Continue with sums per channel instead of sums per pixel."""
        if self._pixel_sums is not None:
            self._channel_sums += self._pixel_sums.sum((0, 1), dtype=np.int64)
            self._pixel_sums = None

    def _see_size(self, size: tuple[int, int]) -> None:
        def area(size: tuple[int, int]) -> tuple[int, tuple[int, int]]:
            return size[0] * size[1], size

        self.smallest = min(self.smallest or size, size, key=area)
        self.largest = max(self.largest or size, size, key=area)
