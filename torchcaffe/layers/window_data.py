"""The layer WindowData: windows cropped from images, for R-CNN (Girshick et al. 2014)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caffeformat import read_mean
from torchcaffe.data import resize_pixels

from .base import Param, Shape, Shapes, register
from .data import BatchLayer, label_of, read_image, read_lines
from .listing import listed_path

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caffeformat import pb


_FAR = 1 << 30  # pixels: no image is as large


class _Window(NamedTuple):
    """A window of an image: the corners are its first and last pixels."""

    path: str
    label: int
    overlap: float  # with an object of the label's class, from 0 to 1
    x1: int
    y1: int
    x2: int
    y2: int


@register("WindowData")
class WindowData(BatchLayer):
    """Crops of the windows that a text file lists, and their labels; 0 is the background.

    In a batch, a share of `fg_fraction` windows overlap with an object by `fg_threshold` or more;
    the others overlap by less than `bg_threshold`. Windows are drawn at random and warped to
    crop_size x crop_size, with `context_pad` pixels of their surroundings. `crop_mode: "square"`
    widens a window to a square first. As in Caffe, scale is taken from window_data_param, and
    crop_size, mirror and mean from transform_param. The file has these lines for each image:
    `# number`, path, channels, height, width, number of windows, then one line
    `label overlap x1 y1 x2 y2` per window.
    """

    tops = (2, 2)

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.window_data_param
        transform = self.proto.transform_param
        self.batch_size = p.batch_size
        self.crop, self.mirror, self.scale = transform.crop_size, transform.mirror, p.scale
        if self.batch_size < 1 or self.crop <= 2 * p.context_pad:
            raise self.error(
                "needs a batch_size, and a transform_param whose crop_size is more than twice "
                "context_pad."
            )
        if p.crop_mode not in ("warp", "square"):
            raise self.error(f'crop_mode is "{p.crop_mode}"; expected warp or square.')
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
        self.seed()
        self.cache: dict[str, NDArray[np.uint8]] | None = {} if p.cache_images else None
        return []

    def _read_mean(self, transform: pb.TransformationParameter) -> NDArray[np.float32] | np.float32:
        """Read what is subtracted from a crop: C x 1 x 1 or C x crop x crop, or 0."""
        if transform.mean_value:
            return np.array(transform.mean_value, np.float32)[:, None, None]
        if not transform.mean_file:
            return np.float32(0)
        mean = read_mean(transform.mean_file)
        height, width = mean.shape[1:]
        rows, columns = (height - self.crop) // 2, (width - self.crop) // 2
        if min(rows, columns) < 0:
            raise self.error(
                f"its mean_file has the shape {mean.shape}, smaller than crop_size {self.crop}."
            )
        return mean[:, rows : rows + self.crop, columns : columns + self.crop]

    def _read_windows(self, p: pb.WindowDataParameter) -> tuple[list[_Window], int]:
        """Read the list of windows, and the number of channels of its images."""
        windows, channels = [], 3
        lines = iter(read_lines(self, p.source))
        try:
            for head in lines:
                if not head.startswith("#"):
                    raise ValueError(f'found "{head}", expected a line "# number"')
                path = listed_path(p.root_folder, next(lines))
                channels, _, _, count = (int(next(lines)) for _ in range(4))
                for _ in range(count):
                    label, overlap, *corners = next(lines).split()
                    box = [int(corner) for corner in corners]
                    window = _Window(path, label_of(label), float(overlap), *box)
                    if window.x2 < window.x1 or window.y2 < window.y1 or max(map(abs, box)) > _FAR:
                        raise ValueError(f"found the corners {' '.join(corners)}")
                    windows.append(window)
        except (ValueError, TypeError, StopIteration, RuntimeError) as error:
            what = str(error) or "it ends too early"
            raise self.error(f"its source {p.source} is not a list of windows: {what}") from error
        return windows, channels

    def top_shapes(self, shapes: Shapes) -> list[Shape]:
        return [(self.batch_size, self.channels, self.crop, self.crop), (self.batch_size,)]

    def _image(self, path: str) -> NDArray[np.uint8]:
        if self.cache is None:
            return read_image(self, path, self.channels == 3)
        if path not in self.cache:
            self.cache[path] = read_image(self, path, self.channels == 3)
        return self.cache[path]

    def next_batch(self) -> list[NDArray[np.float32]]:
        images = np.zeros((self.batch_size, self.channels, self.crop, self.crop), np.float32)
        labels = np.zeros(self.batch_size, np.float32)
        backgrounds = self.batch_size - self.foreground_share
        for index in range(self.batch_size):
            self.random = self.own_turn(self.entry_draws)
            choices = self.background if index < backgrounds else self.foreground
            window = choices[int(self.random.integers(len(choices)))]
            self._cut(self._image(window.path), window, images[index])
            labels[index] = window.label
        return [images, labels]

    def skip(self, batches: int) -> None:
        pass  # an entry depends on its number alone

    def _cut(self, image: NDArray[np.uint8], window: _Window, target: NDArray[np.float32]) -> None:
        """Write the crop of `window` into `target`, which stays 0 outside the image."""
        spans = [
            self._span(low, high, other, size)
            for low, high, other, size in (
                (window.y1, window.y2, window.x2 - window.x1 + 1, image.shape[1]),
                (window.x1, window.x2, window.y2 - window.y1 + 1, image.shape[2]),
            )
        ]
        (rows, top, height), (columns, left, width) = spans
        crop = image[:, rows, columns].transpose(1, 2, 0)
        if not crop.size:
            corners = f"{window.x1} {window.y1} {window.x2} {window.y2}"
            raise self.error(
                f"the window {corners} of {window.path} lies outside the image, which has "
                f"{image.shape[2]} x {image.shape[1]} pixels."
            )
        crop = resize_pixels(crop, (height, width)).transpose(2, 0, 1).astype(np.float32)
        place = slice(top, top + height), slice(left, left + width)
        mean = np.broadcast_to(self.mean, target.shape)[:, place[0], place[1]]
        target[:, place[0], place[1]] = (crop - mean) * self.scale
        if self.mirror and self.random.integers(2):
            target[...] = target[:, :, ::-1].copy()

    def _span(self, low: int, high: int, other: int, size: int) -> tuple[slice, int, int]:
        """Place a window, from `low` to `high` of `size` pixels, along one axis.

        `other` is its size along the other axis. Returns the slice of the image, and where it
        begins in the crop and how long it is there.
        """
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


def _round(value: float) -> int:
    """Round to the nearest integer, halves away from 0 as in C (Python rounds them to even)."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))
