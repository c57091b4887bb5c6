"""Layers that SSD's fork of Caffe brought and other networks use as well: Permute, Normalize."""

from caffeformat import pb
from caffeformat.fork_shapes import axis_order

from .base import Layer, Param, register


@register("Permute")
class Permute(Layer):
    """The bottom with its axes in another `order`; those not named follow as they were."""

    def forward(self, bottoms, params):
        (x,) = bottoms
        return [x.permute(axis_order(self.proto, x.dim())).contiguous()]


@register("Normalize")
class Normalize(Layer):
    """x / ||x|| times a learned scale (ParseNet: Liu, Rabinovich and Berg 2015).

    The norm is over each image (`across_spatial`) or over the channels of each place; `eps` is
    added to the sum of squares. One scale for all, or one a channel (`channel_shared: false`).
    """

    def setup(self, shapes):
        p = self.proto.norm_param
        shape = shapes[0]
        if len(shape) < 2:
            raise self.error(f"takes N x C x ... blobs, its bottom has shape {tuple(shape)}.")
        filler = p.scale_filler if p.HasField("scale_filler") else pb.FillerParameter(value=1)
        self.channels = None if p.channel_shared else shape[1]
        return [Param(() if p.channel_shared else (shape[1],), filler)]

    def check(self, shapes):
        if self.channels is not None and shapes[0][1:2] != (self.channels,):
            raise self.error(
                f"its scale is for {self.channels} channels, but its bottom "
                f'"{self.proto.bottom[0]}" has shape {tuple(shapes[0])}.'
            )

    def forward(self, bottoms, params):
        (x,), (scale,) = bottoms, params
        p = self.proto.norm_param
        axes = tuple(range(1, x.dim())) if p.across_spatial else 1
        norm = (x.square().sum(axes, keepdim=True) + p.eps).sqrt()
        return [x / norm * scale.view((1, -1) + (1,) * (x.dim() - 2))]
