"""The layer Pooling: the largest, the mean or a random value of each window."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from caffeformat import pb
from caffeformat.geometry import pooling_windows

from .base import Layer, Param, Shape, Shapes, Tensors, register

_MAX, _AVE, _STOCHASTIC = (
    pb.PoolingParameter.MAX,
    pb.PoolingParameter.AVE,
    pb.PoolingParameter.STOCHASTIC,
)


@register("Pooling")
class Pooling(Layer):
    """N x C x H x W -> N x C x H' x W'; with MAX, a second top holds the winners' indices in H x W.

    AVE divides by the size of the window clipped to image and padding. A window that lies wholly
    outside yields NaN, and for MAX the lowest float.
    """

    kernel: Shape
    stride: Shape
    pad: Shape

    tops = (1, 2)
    arithmetic = "any"

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.pooling_param
        self.method = p.pool
        self.is_random = p.pool == _STOCHASTIC and self.phase == pb.TRAIN
        if len(self.proto.top) > 1 and self.method != _MAX:
            raise self.error("only MAX pooling can have a second top (the winners' indices).")
        windows = pooling_windows(self.proto)
        self.everything = windows is None
        if windows is not None:
            self.kernel, self.stride, self.pad, _ = zip(*windows)
        elif p.HasField("kernel_size") or p.HasField("kernel_h") or p.HasField("kernel_w"):
            raise self.error("global_pooling covers the whole image: leave out the kernel size.")
        elif (p.pad, p.pad_h, p.pad_w, p.stride) != (0, 0, 0, 1):
            raise self.error("global_pooling needs pad 0 and stride 1.")
        return []

    def check(self, shapes: Shapes) -> None:
        if self.everything:
            self.kernel, self.stride, self.pad = shapes[0][2:], (1, 1), (0, 0)

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        (x,) = bottoms
        sizes = self.fitted[0][2:]
        if self.method == _MAX:
            return max_pool(x, self.kernel, self.stride, self.pad, sizes, len(self.proto.top) > 1)
        if self.method == _AVE:
            return [average_pool(x, self.kernel, self.stride, self.pad, sizes)]
        return [self._stochastic(x, sizes)]

    def _stochastic(self, x: torch.Tensor, sizes: Shape) -> torch.Tensor:
        """Pool as Zeiler and Fergus 2013: draw by the values in TRAIN, weight by them in TEST."""
        padded = _padded(x, self.kernel, self.stride, self.pad, sizes, 0.0)
        windows = padded.unfold(2, self.kernel[0], self.stride[0])
        windows = windows.unfold(3, self.kernel[1], self.stride[1]).flatten(4)
        total = windows.sum(4)
        if self.phase == pb.TEST:
            return windows.square().sum(4) / total.clamp(min=torch.finfo(total.dtype).tiny)
        threshold = torch.rand_like(total) * total
        chosen = (windows.detach().cumsum(4) < threshold[..., None]).sum(4, keepdim=True)
        return windows.gather(4, chosen.clamp(max=windows.shape[4] - 1))[..., 0]


def _padded(
    x: torch.Tensor, kernel: Shape, stride: Shape, pad: Shape, sizes: Shape, value: float
) -> torch.Tensor:
    """Pad `x` with `value` until it contains every window."""
    sides = []
    for axis in (1, 0):
        end = (sizes[axis] - 1) * stride[axis] + kernel[axis] - pad[axis]
        sides += [pad[axis], max(end - x.shape[2 + axis], 0)]
    return F.pad(x, sides, value=value)


def _ceil_mode(shape: Shape, kernel: Shape, stride: Shape, pad: Shape, sizes: Shape) -> bool | None:
    """Find the `ceil_mode` with which torch has the same windows as Caffe; None if neither has."""
    if any(2 * p > k for p, k in zip(pad, kernel)):
        return None
    for ceil_mode in (False, True):
        counts = []
        for size, k, s, p in zip(shape[2:], kernel, stride, pad):
            room = size + 2 * p - k
            count = (-(-room // s) if ceil_mode else room // s) + 1
            if ceil_mode and (count - 1) * s >= size + p:
                count -= 1
            counts.append(count)
        if tuple(counts) == tuple(sizes):
            return ceil_mode
    return None


def max_pool(
    x: torch.Tensor, kernel: Shape, stride: Shape, pad: Shape, sizes: Shape, indices: bool = False
) -> list[torch.Tensor]:
    """Take the largest value of each of `sizes` windows; with `indices` also its index in H x W."""
    ceil_mode = _ceil_mode(x.shape, kernel, stride, pad, sizes)
    if not indices and _halves(x, kernel, stride, pad):
        return [_HalvingMaxPool.apply(x)]
    if ceil_mode is not None:
        if not indices:
            return [F.max_pool2d(x, kernel, stride, pad, 1, ceil_mode)]
        top, index = F.max_pool2d(x, kernel, stride, pad, 1, ceil_mode, return_indices=True)
        return [top, index.to(x.dtype)]
    padded = _padded(x, kernel, stride, pad, sizes, torch.finfo(x.dtype).min)
    top, index = F.max_pool2d(padded, kernel, stride, return_indices=True)
    row = index.div(padded.shape[3], rounding_mode="floor") - pad[0]
    column = index % padded.shape[3] - pad[1]
    return [top, (row * x.shape[3] + column).float()] if indices else [top]


def _halves(x: torch.Tensor, kernel: Shape, stride: Shape, pad: Shape) -> bool:
    """Whether windows of 2 x 2 tile all of `x`, and it is in the host's memory."""
    even = x.shape[2] % 2 == 0 and x.shape[3] % 2 == 0
    plain = (*kernel, *stride, *pad) == (2, 2, 2, 2, 0, 0)
    return plain and even and x.device.type == "cpu"


class _HalvingMaxPool(torch.autograd.Function):
    """Max pooling over windows of 2 x 2 at stride 2, in half the time of `max_pool2d`.

    It keeps no indices: columns are compared and then rows, and once more for the gradient. Among
    equal values the first in reading order wins, as in Caffe.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        columns = torch.maximum(x[..., 0::2], x[..., 1::2])
        ctx.save_for_backward(x, columns)
        return torch.maximum(columns[:, :, 0::2], columns[:, :, 1::2])

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        x, columns = ctx.saved_tensors
        by_column = torch.empty_like(columns)
        is_first = columns[:, :, 0::2] >= columns[:, :, 1::2]
        torch.mul(gradient, is_first, out=by_column[:, :, 0::2])
        torch.sub(gradient, by_column[:, :, 0::2], out=by_column[:, :, 1::2])
        result = torch.empty_like(x)
        torch.mul(by_column, x[..., 0::2] >= x[..., 1::2], out=result[..., 0::2])
        torch.sub(by_column, result[..., 0::2], out=result[..., 1::2])
        return result


def average_pool(
    x: torch.Tensor, kernel: Shape, stride: Shape, pad: Shape, sizes: Shape
) -> torch.Tensor:
    """Take the mean of each of `sizes` windows, clipped to image and padding."""
    ceil_mode = _ceil_mode(x.shape, kernel, stride, pad, sizes)
    if ceil_mode is not None:
        return F.avg_pool2d(x, kernel, stride, pad, ceil_mode)
    sums = F.avg_pool2d(
        _padded(x, kernel, stride, pad, sizes, 0.0), kernel, stride, divisor_override=1
    )
    extents = []
    for size, k, s, p, count in zip(x.shape[2:], kernel, stride, pad, sizes):
        starts = torch.arange(count, device=x.device) * s - p
        extents.append((starts + k).clamp(max=size + p) - starts)
    return sums / (extents[0][:, None] * extents[1]).to(x.dtype)
