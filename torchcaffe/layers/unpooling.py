"""The layer Upsample of SegNet's fork of Caffe, which inverts a max pooling."""

from __future__ import annotations

from typing import Any

import torch

from .base import Layer, Tensors, register


@register("Upsample")
class Upsample(Layer):
    """Puts N x C x H x W values at the positions in its mask, among N x C x H' x W' zeros.

    The mask is the second bottom, which is the second top of the MAX Pooling to invert: the index
    in H' x W' that each value came from. Where windows overlapped, the last of the values
    remains.
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
        top: torch.Tensor = _Placed.apply(x.flatten(2), index, places)
        return [top.view(shape)]


class _Placed(torch.autograd.Function):
    """N x C x K values at their indices among `places` zeros, the last one of each index.

    The gradient of every value is that of its place, whether it remained or not, as in the fork.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, index: torch.Tensor, places: int) -> torch.Tensor:
        ctx.save_for_backward(index)
        top = x.new_zeros(*x.shape[:2], places)
        if x.device.type != "cpu":  # there all are written at once: let all write the same value
            own = torch.arange(x.shape[2], device=x.device).expand_as(index)
            last = index.new_zeros(top.shape).scatter_reduce_(2, index, own, "amax")
            x = x.gather(2, last.gather(2, index))
        return top.scatter_(2, index, x)

    @staticmethod
    def backward(ctx: Any, diff: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (index,) = ctx.saved_tensors
        return diff.gather(2, index), None, None
