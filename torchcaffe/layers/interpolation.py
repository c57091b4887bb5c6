"""The layer Interp: bilinear resizing as in DeepLab's and PSPNet's forks of Caffe."""

from __future__ import annotations

import torch.nn.functional as F

from caffeformat.geometry import interpolation

from .base import Layer, Param, Shapes, Tensors, register


@register("Interp")
class Interp(Layer):
    """Crops N x C x H x W at both ends, then resizes it with corner pixels aligned.

    The new size is H' = (H - 1) // shrink_factor * zoom_factor + 1, or `height` and `width`, or
    that of a second bottom, which the forks do not support.
    """

    bottoms = (1, 2)
    inputs_are_free = is_cheap = True
    arithmetic = "any"

    def setup(self, shapes: Shapes) -> list[Param]:
        self.begin, self.end = interpolation(self.proto)[:2]
        return []

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        x = bottoms[0]
        height, width = x.shape[2:]
        x = x[:, :, self.begin : height - self.end, self.begin : width - self.end]
        return [F.interpolate(x, self.fitted[0][2:], mode="bilinear", align_corners=True)]
