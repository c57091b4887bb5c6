"""ImageData: images that a text file lists."""

import os

import numpy as np

from ..data_transform import DataTransform
from ..resize import resize_pixels
from .base import register
from .data import BatchLayer, read_image, read_lines


@register("ImageData")
class ImageData(BatchLayer):
    """Images and labels that a text file lists, a line `path label` each, over and over again.

    Images are resized to `new_height` x `new_width` where those are set; `shuffle` mixes the list
    before every round.
    """

    tops = (2, 2)

    def setup(self, shapes):
        p = self.proto.image_data_param
        if p.batch_size < 1:
            raise self.error("batch_size must be 1 or more.")
        if bool(p.new_height) != bool(p.new_width):
            raise self.error("new_height and new_width go together.")
        self.batch_size, self.color = p.batch_size, p.is_color
        self.size = (p.new_height, p.new_width) if p.new_height else None
        self.random = self.make_random()
        self.transform = DataTransform(
            self.proto.transform_param, self.phase, self.random, f'layer "{self.name}"'
        )
        self.entries = [self._entry(line) for line in read_lines(self, p.source)]
        self.waiting = self._order()
        for _ in range(int(self.random.integers(p.rand_skip)) if p.rand_skip else 0):
            self._next_entry()
        self.first_shape = self.transform.shape(self._load(self.entries[0][0]).shape)
        return []

    def _entry(self, line):
        path, _, label = line.rpartition(" ")
        try:
            return os.path.join(self.proto.image_data_param.root_folder, path), int(label)
        except ValueError:
            raise self.error(
                f'its source has the line "{line}"; expected a path, a space and a label.'
            ) from None

    def _load(self, path):
        """C x H x W uint8, BGR."""
        values = read_image(self, path, self.color)
        if self.size and values.shape[1:] != self.size:
            values = resize_pixels(values.transpose(1, 2, 0), self.size).transpose(2, 0, 1)
        return values

    def _order(self):
        count = len(self.entries)
        shuffled = self.proto.image_data_param.shuffle
        return list(self.random.permutation(count) if shuffled else range(count))[::-1]

    def _next_entry(self):
        self.waiting = self.waiting or self._order()
        return self.entries[self.waiting.pop()]

    def top_shapes(self, shapes):
        return [(self.batch_size, *self.first_shape), (self.batch_size,)]

    def next_batch(self):
        images, labels = [], np.empty(self.batch_size, np.float32)
        for index in range(self.batch_size):
            path, labels[index] = self.own_turn(self._next_entry)
            images.append(self.transform(self._load(path)))
            if images[-1].shape != images[0].shape:
                raise self.error(
                    f"{path} has the shape {images[-1].shape}, but its batch began with "
                    f"{images[0].shape}: use batch_size 1, new_height and new_width, or a "
                    "crop_size."
                )
        return [np.stack(images), labels]
