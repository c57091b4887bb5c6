"""The layer ImageData: images that a text file lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchcaffe.data import DataTransform, resize_pixels

from .base import Param, Shapes, register
from .data import SETUP, LabelledImages, label_of, read_image, read_lines
from .listing import Rounds, listed_path

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@register("ImageData")
class ImageData(LabelledImages):
    """Images and labels that a text file lists, one line `path label` per image.

    Images are resized to `new_height` x `new_width` if those are set. They come over and over
    again; `shuffle` shuffles the list before every round.
    """

    tops = (2, 2)
    advice = "new_height and new_width, or a crop_size"

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.image_data_param
        self.batch_size, self.color = self.require_batch_size(p.batch_size), p.is_color
        if bool(p.new_height) != bool(p.new_width):
            raise self.error("new_height and new_width must be set together.")
        self.size = (p.new_height, p.new_width) if p.new_height else None
        self.seed()
        where = f'layer "{self.name}"'
        self.transform = DataTransform(
            self.proto.transform_param, self.phase, self.draws(SETUP), where
        )
        entries = [self._entry(line) for line in read_lines(self, p.source)]
        self.rounds = Rounds(self, entries, shuffle=p.shuffle, rand_skip=p.rand_skip)
        self.first_shape = self.transform.shape(self._load(entries[0][0]).shape)
        return []

    def _entry(self, line: str) -> tuple[str, int]:
        """Split a line of the list into the image's path and its label."""
        path, _, label = line.rpartition(" ")
        try:
            return listed_path(self.proto.image_data_param.root_folder, path), label_of(label)
        except ValueError:
            raise self.error(
                f'its source has the line "{line[:100]}"; expected a path, a space and a label.'
            ) from None

    def _load(self, path: str) -> NDArray[np.uint8]:
        """Read an image at the layer's size: C x H x W, BGR or grey."""
        values = read_image(self, path, self.color)
        if self.size and values.shape[1:] != self.size:
            values = resize_pixels(values.transpose(1, 2, 0), self.size).transpose(2, 0, 1)
        return values

    def skip_items(self, count: int) -> None:
        self.rounds.position += count

    def next_item(self) -> tuple[str, NDArray[np.uint8], int]:
        path, label = self.own_turn(self.rounds.next)
        return path, self._load(path), label
