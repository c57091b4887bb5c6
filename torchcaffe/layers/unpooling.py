"""Upsample: SegNet's undoing of a max pooling."""

from .base import Layer, register


@register("Upsample")
class Upsample(Layer):
    """N x C x H x W values put where the mask says, on N x C x H' x W' zeros.

    The second bottom is the second top of the MAX Pooling that is undone: for every value the
    index in H' x W' that it came from. Where windows overlapped, one of the values stays.
    """

    bottoms = (2, 2)
    label_bottoms = (1,)

    def forward(self, bottoms, params):
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
                    f"top is {shape[2]} x {shape[3]}, places 0 to {places - 1}; upsample_h "
                    "and upsample_w must be the size that the Pooling saw."
                )
        top = x.new_zeros(shape[0], shape[1], places)
        return [top.scatter(2, index, x.flatten(2)).view(shape)]
