"""The layer Upsample of SegNet's fork of Caffe, which inverts a max pooling."""

from __future__ import annotations

from .base import Layer, Tensors, register


@register("Upsample")
class Upsample(Layer):
    """Puts N x C x H x W values at the positions in its mask, among N x C x H' x W' zeros.

    The mask is the second bottom, which is the second top of the MAX Pooling to invert: the index
    in H' x W' that each value came from. Where windows overlapped, one of the values remains.
    """

    bottoms = (1, 2)  # one is another fork's layer, which the rule for shapes explains
    label_bottoms = (1,)
    arithmetic = "any"

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        x, mask = bottoms
        shape = self.fitted[0]
        index = mask.detach().long().flatten(2)
        places = shape[2] * shape[3]
        if index.numel():
            low, high = (int(bound) for bound in index.aminmax())
            if low < 0 or high >= places:
                wrong = low if low < 0 else high
                raise self.error(
                    f'its mask "{self.proto.bottom[1]}" holds the index {wrong}, but its '
                    f"top is {shape[2]} x {shape[3]}, with indices 0 to {places - 1}; upsample_h "
                    "and upsample_w must be the size of the Pooling's bottom."
                )
        top = x.new_zeros(shape[0], shape[1], places)
        return [top.scatter(2, index, x.flatten(2)).view(shape)]
