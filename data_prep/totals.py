"""Sums over a dataset (pixel mean, class histogram, sizes), in integers: no order changes them."""

import numpy as np

from fcnkit.palette import palette_agrees

# Mean images are for nets of one small input size; past 4 megapixels none is summed up.
MAX_MEAN_PIXELS = 1 << 22


class Totals:
    """What was seen of a dataset; `merge` adds what another process has seen.

    `shape` is the first image's (C, H, W). Attributes: `count` of images; `pixels`; `class_pixels`
    (256 counts); `smallest` and `largest` (width, height); `other_palettes`, how many labels have
    other colours than expected; `same_shape`, whether all images have `shape`.
    """

    def __init__(self, shape):
        self.shape = shape
        self.count = self.pixels = self.other_palettes = 0
        self.class_pixels = np.zeros(256, np.int64)
        self.smallest = self.largest = None
        self.same_shape = True
        # A pixel is counted in one of these: in the second as long as there may be a mean image.
        self._channel_sums = np.zeros(3, np.int64)
        self._pixel_sums = None
        if shape[1] * shape[2] <= MAX_MEAN_PIXELS:
            self._pixel_sums = np.zeros((shape[1], shape[2], shape[0]), np.uint32)

    def add(self, image, class_counts):
        """Count an image (`PIL.Image`, mode L or RGB) and its label's 256 counts."""
        self.count += 1
        self.pixels += image.size[0] * image.size[1]
        self.class_pixels += class_counts
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

    def check_palette(self, label, class_counts, palette):
        """Count a paletted label image whose used colours are not those of `palette`."""
        self.other_palettes += not palette_agrees(label, class_counts, palette)

    def merge(self, other):
        """Add what `other` has seen."""
        if other.count == 0:
            return
        self.count += other.count
        self.pixels += other.pixels
        self.other_palettes += other.other_palettes
        self.class_pixels += other.class_pixels
        self._see_size(other.smallest)
        self._see_size(other.largest)
        self.same_shape = self.same_shape and other.same_shape
        if not self.same_shape:
            self._give_up_mean_image()
            other._give_up_mean_image()
        self._channel_sums += other._channel_sums
        if self._pixel_sums is not None:
            self._pixel_sums += other._pixel_sums

    @property
    def mean(self):
        """The mean pixel, 3 floats RGB."""
        sums = self._channel_sums
        if self._pixel_sums is not None:
            sums = sums + self._pixel_sums.sum((0, 1), dtype=np.int64)
        return sums / self.pixels

    @property
    def mean_image(self):
        """The mean image, C x H x W float64 RGB; None where shapes differ or are very large."""
        if self._pixel_sums is None:
            return None
        return (self._pixel_sums / self.count).transpose(2, 0, 1)

    def _give_up_mean_image(self):
        """Go on with sums a channel instead of sums a pixel."""
        if self._pixel_sums is not None:
            self._channel_sums += self._pixel_sums.sum((0, 1), dtype=np.int64)
            self._pixel_sums = None

    def _see_size(self, size):
        def area(size):
            return size[0] * size[1], size

        self.smallest = min(self.smallest or size, size, key=area)
        self.largest = max(self.largest or size, size, key=area)
