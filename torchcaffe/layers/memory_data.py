"""The layer MemoryData: batches from arrays that the user passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from .base import Layer, Param, Shapes, Tensors, register

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@register("MemoryData")
class MemoryData(Layer):
    """Batches of the arrays passed to `Net.set_input_arrays`, over and over again."""

    bottoms = (0, 0)
    tops = (2, 2)
    fixed_tops = True

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.memory_data_param
        self.shape = (p.batch_size, p.channels, p.height, p.width)
        if min(self.shape) < 1:
            raise self.error(
                f"batch_size, channels, height and width are {self.shape}; expected 1 or more each."
            )
        self.arrays: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
        self.position = 0
        return []

    def give(self, data: ArrayLike, labels: ArrayLike) -> None:
        """Use `data` (N x C x H x W) and `labels` (N); N must be a multiple of the batch size."""
        data, labels = np.asarray(data, np.float32), np.asarray(labels, np.float32).reshape(-1)
        batch = self.shape[0]
        if data.shape[1:] != self.shape[1:] or not len(data) or len(data) % batch:
            raise self.error(
                f"needs data of shape N x {' x '.join(map(str, self.shape[1:]))} with N a multiple "
                f"of {batch}; found {data.shape}."
            )
        if len(labels) != len(data):
            raise self.error(f"needs one label for each of {len(data)} items; found {len(labels)}.")
        self.arrays, self.position = (data, labels), 0

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        if self.arrays is None:
            raise self.error("has no data yet; pass some to Net.set_input_arrays.")
        window = slice(self.position, self.position + self.shape[0])
        self.position = window.stop % len(self.arrays[0])
        return [torch.tensor(array[window], device=self.device) for array in self.arrays]
