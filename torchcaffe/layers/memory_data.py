"""MemoryData: arrays that the user gives."""

import numpy as np
import torch

from .base import Layer, register


@register("MemoryData")
class MemoryData(Layer):
    """Batches of arrays that the user gives by `Net.set_input_arrays`, over and over again."""

    bottoms = (0, 0)
    tops = (2, 2)
    fixed_tops = True

    def setup(self, shapes):
        p = self.proto.memory_data_param
        self.shape = (p.batch_size, p.channels, p.height, p.width)
        if min(self.shape) < 1:
            raise self.error(
                f"batch_size, channels, height and width must be 1 or more, found {self.shape}."
            )
        self.arrays, self.position = None, 0
        return []

    def give(self, data, labels):
        """Take `data` (N x C x H x W) and `labels` (N), N a multiple of the batch size."""
        data, labels = np.asarray(data, np.float32), np.asarray(labels, np.float32).reshape(-1)
        batch = self.shape[0]
        if data.shape[1:] != self.shape[1:] or not len(data) or len(data) % batch:
            raise self.error(
                f"needs data of shape N x {' x '.join(map(str, self.shape[1:]))} with N a multiple "
                f"of {batch}, found {data.shape}."
            )
        if len(labels) != len(data):
            raise self.error(f"needs a label for each of {len(data)} items, found {len(labels)}.")
        self.arrays, self.position = (data, labels), 0

    def forward(self, bottoms, params):
        if self.arrays is None:
            raise self.error("has no data yet; give it some with Net.set_input_arrays.")
        window = slice(self.position, self.position + self.shape[0])
        self.position = window.stop % len(self.arrays[0])
        return [torch.tensor(array[window], device=self.device) for array in self.arrays]
