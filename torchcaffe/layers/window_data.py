"""WindowData: windows cut from images, foreground and background mixed (Girshick et al. 2014)."""

import collections
import math
import os

import numpy as np

from caffeformat import read_blob

from ..resize import resize_pixels
from .base import register
from .data import BatchLayer, read_image, read_lines

_Window = collections.namedtuple("_Window", "path label overlap x1 y1 x2 y2")


@register("WindowData")
class WindowData(BatchLayer):
    """Crops of windows that a text file lists, and their labels; 0 is the background.

    A batch has `fg_fraction` windows of at least `fg_threshold` overlap with an object; the others
    overlap less than `bg_threshold`. Windows are drawn at random and warped to crop_size x
    crop_size, with `context_pad` pixels of what is around them. `crop_mode: "square"` widens a
    window to a square first. As in Caffe the scale is that of window_data_param; crop_size, mirror
    and mean are transform_param's. The file has, for each image, lines: `# number`, path, channels,
    height, width, number of windows, then `label overlap x1 y1 x2 y2` for each window.
    """

    tops = (2, 2)

    def setup(self, shapes):
        p = self.proto.window_data_param
        transform = self.proto.transform_param
        self.batch_size = p.batch_size
        self.crop, self.mirror, self.scale = transform.crop_size, transform.mirror, p.scale
        if self.batch_size < 1 or self.crop <= 2 * p.context_pad:
            raise self.error(
                "needs a batch_size, and a transform_param with a crop_size of more than twice "
                "context_pad."
            )
        if p.crop_mode not in ("warp", "square"):
            raise self.error(f'crop_mode is "{p.crop_mode}"; warp and square are known.')
        self.square, self.context = p.crop_mode == "square", p.context_pad
        self.mean = self._read_mean(transform)
        windows, self.channels = self._read_windows(p)
        self.foreground = [w for w in windows if w.overlap >= p.fg_threshold]
        self.background = [w._replace(label=0) for w in windows if w.overlap < p.bg_threshold]
        self.foreground_share = int(self.batch_size * p.fg_fraction)
        for kind, share in (
            ("foreground", self.foreground_share),
            ("background", self.batch_size - self.foreground_share),
        ):
            if share and not getattr(self, kind):
                raise self.error(f"its source {p.source} lists no {kind} windows.")
        self.random = self.make_random()
        self.cache = {} if p.cache_images else None
        return []

    def _read_mean(self, transform):
        """What is subtracted from a crop: C x 1 x 1 or C x crop x crop, or 0."""
        if transform.mean_value:
            return np.array(transform.mean_value, np.float32)[:, None, None]
        if not transform.mean_file:
            return np.float32(0)
        mean = read_blob(transform.mean_file)
        mean = mean.reshape(mean.shape[-3:])
        rows, columns = ((size - self.crop) // 2 for size in mean.shape[1:])
        if min(rows, columns) < 0:
            raise self.error(
                f"its mean_file has the shape {mean.shape}, smaller than crop_size {self.crop}."
            )
        return mean[:, rows : rows + self.crop, columns : columns + self.crop]

    def _read_windows(self, p):
        windows, channels = [], 3
        lines = iter(read_lines(self, p.source))
        try:
            for head in lines:
                if not head.startswith("#"):
                    raise ValueError(f'"{head}" where a line "# number" was expected')
                path = os.path.join(p.root_folder, next(lines))
                channels, _, _, count = (int(next(lines)) for _ in range(4))
                for _ in range(count):
                    label, overlap, *corners = next(lines).split()
                    box = (int(corner) for corner in corners)
                    windows.append(_Window(path, int(label), float(overlap), *box))
        except (ValueError, TypeError, StopIteration, RuntimeError) as error:
            what = str(error) or "it ends too early"
            raise self.error(f"its source {p.source} is no list of windows: {what}") from error
        return windows, channels

    def top_shapes(self, shapes):
        return [(self.batch_size, self.channels, self.crop, self.crop), (self.batch_size,)]

    def _image(self, path):
        if self.cache is None:
            return read_image(self, path, self.channels == 3)
        if path not in self.cache:
            self.cache[path] = read_image(self, path, self.channels == 3)
        return self.cache[path]

    def next_batch(self):
        images = np.zeros((self.batch_size, self.channels, self.crop, self.crop), np.float32)
        labels = np.zeros(self.batch_size, np.float32)
        backgrounds = self.batch_size - self.foreground_share
        for index in range(self.batch_size):
            choices = self.background if index < backgrounds else self.foreground
            window = choices[int(self.random.integers(len(choices)))]
            self._cut(self._image(window.path), window, images[index])
            labels[index] = window.label
        return [images, labels]

    def _cut(self, image, window, target):
        """Write the crop of `window` into `target`, zeros where it reaches past the image."""
        spans = [
            self._span(low, high, other, size)
            for low, high, other, size in (
                (window.y1, window.y2, window.x2 - window.x1 + 1, image.shape[1]),
                (window.x1, window.x2, window.y2 - window.y1 + 1, image.shape[2]),
            )
        ]
        (rows, top, height), (columns, left, width) = spans
        crop = image[:, rows, columns].transpose(1, 2, 0)
        crop = resize_pixels(crop, (height, width)).transpose(2, 0, 1).astype(np.float32)
        place = slice(top, top + height), slice(left, left + width)
        mean = np.broadcast_to(self.mean, target.shape)[:, place[0], place[1]]
        target[:, place[0], place[1]] = (crop - mean) * self.scale
        if self.mirror and self.random.integers(2):
            target[...] = target[:, :, ::-1].copy()

    def _span(self, low, high, other, size):
        """Along one axis: the slice of the image, and where in the crop it goes, how large."""
        if self.context or self.square:
            half = (high - low + 1) / 2
            middle = low + half
            if self.square:
                half = max(half, other / 2)
            half *= self.crop / (self.crop - 2 * self.context)
            low, high = _round(middle - half), _round(middle + half)
        before, after = max(0, -low), max(0, high - size + 1)
        scale = self.crop / (high - low + 1)
        low, high = low + before, high - after
        begin = min(_round(before * scale), self.crop - 1)
        length = max(1, min(_round((high - low + 1) * scale), self.crop - begin))
        return slice(low, high + 1), begin, length


def _round(value):
    """To the nearest integer, halves away from 0, as C does (Python goes to the even one)."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))
