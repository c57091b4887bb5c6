"""The layer Interp: bilinear resizing as in DeepLab's and PSPNet's forks of Caffe."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from caffeformat.geometry import interpolation

from .base import Layer, Param, Shapes, Tensors, register

if TYPE_CHECKING:
    from collections.abc import Sequence


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
        size = self.fitted[0][2:]
        if x.device.type == "cpu" or not x.requires_grad:
            return [_resized(x, size)]
        resized: torch.Tensor = _Resized.apply(x, size)
        return [resized]


def _resized(x: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    return F.interpolate(x, size, mode="bilinear", align_corners=True)


class _Resized(torch.autograd.Function):
    """`_resized` with a gradient by two matrix products.

    A GPU's own adds up in memory, in an order of its own each time, and slowly in halves.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        ctx.was = x.shape[2:]
        return _resized(x, size)

    @staticmethod
    def backward(ctx: Any, diff: torch.Tensor) -> tuple[torch.Tensor, None]:
        rows, columns = (
            _weights(was, now, diff.device) for was, now in zip(ctx.was, diff.shape[2:])
        )
        return (rows @ (diff.float() @ columns.T)).to(diff.dtype), None


@functools.lru_cache(maxsize=64)
def _weights(was: int, now: int, device: torch.device) -> torch.Tensor:
    """The share of each of `was` places in each of `now` places, was x now float32."""
    unit = torch.eye(was).to(device)
    return F.interpolate(unit[None], now, mode="linear", align_corners=True)[0]
