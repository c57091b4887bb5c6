"""Layers of SSD's fork of Caffe that other networks use as well: Permute and Normalize."""

from __future__ import annotations

from caffeformat import pb
from caffeformat.geometry import axis_order

from .base import Layer, Param, Shapes, Tensors, register


@register("Permute")
class Permute(Layer):
    """Reorders the axes of its bottom; those that `order` does not name follow as they were."""

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        (x,) = bottoms
        return [x.permute(axis_order(self.proto, x.dim())).contiguous()]


@register("Normalize")
class Normalize(Layer):
    """x / ||x|| times a learned scale (ParseNet: Liu, Rabinovich and Berg 2015).

    The norm is taken over each image (`across_spatial`) or over the channels at each position;
    `eps` is added to the sum of squares. There is one scale for all, or with `channel_shared:
    false` one per channel.
    """

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.norm_param
        shape = shapes[0]
        if len(shape) < 2:
            raise self.error(f"needs a bottom of N x C x ...; found shape {tuple(shape)}.")
        filler = p.scale_filler if p.HasField("scale_filler") else pb.FillerParameter(value=1)
        self.channels = None if p.channel_shared else shape[1]
        return [Param(() if p.channel_shared else (shape[1],), filler)]

    def check(self, shapes: Shapes) -> None:
        if self.channels is not None:
            self.require_channels(shapes, self.channels, "its scales")

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        (x,), (scale,) = bottoms, params
        p = self.proto.norm_param
        axes = tuple(range(1, x.dim())) if p.across_spatial else 1
        norm = (x.square().sum(axes, keepdim=True) + p.eps).sqrt()
        return [x / norm * scale.view((1, -1) + (1,) * (x.dim() - 2))]
