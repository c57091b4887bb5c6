"""Interp: bilinear resizing, as DeepLab's and PSPNet's forks of Caffe do it."""

import torch.nn.functional as F

from caffeformat.windows import interpolation

from .base import Layer, register


@register("Interp")
class Interp(Layer):
    """N x C x H x W cropped at both ends, then resized so that corner pixels stay on corners.

    The size is H' = (H - 1) // shrink_factor * zoom_factor + 1, or `height` and `width`, or that of
    a second bottom, which the forks do not know.
    """

    bottoms = (1, 2)

    def setup(self, shapes):
        self.begin, self.end = interpolation(self.proto)[:2]
        return []

    def forward(self, bottoms, params):
        x = bottoms[0]
        height, width = x.shape[2:]
        x = x[:, :, self.begin : height - self.end, self.begin : width - self.end]
        return [F.interpolate(x, self.fitted[0][2:], mode="bilinear", align_corners=True)]
