"""Transposed convolution, fast for the large strides by which FCNs upsample.

Taken one output phase at a time (all output pixels that share their position modulo the stride), a
transposed convolution of stride s and kernel k is an ordinary one with a kernel of ceil(k / s). All
phases together are one matrix product per group, whose result only has to be rearranged; no
overlapping windows are summed as in col2im.

Interpolation is simpler still: each channel has a kernel of its own that is the product of one
along the rows and one along the columns, so that multiplying the channel by a matrix on either side
is all there is to compute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F

if TYPE_CHECKING:
    import torch

    from .base import Shape

_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
LARGE_STRIDE = 4


def deconvolve(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    stride: Shape,
    pad: Shape,
    dilation: Shape,
    group: int,
) -> torch.Tensor:
    """Map N x C x spatial to N x O x spatial, with weights C x O/group x kernel."""
    if len(stride) == 2 and min(stride) >= LARGE_STRIDE and max(dilation) == 1:
        own_kernels = group == x.shape[1] and weight.shape[1] == 1 and not weight.requires_grad
        if own_kernels and x.device.type == "cpu":  # on a GPU, reading the kernels means waiting
            factors = _factors(weight)
            if factors is not None:
                return _by_axes(x, factors, bias, stride, pad)
        return _by_phases(x, weight, bias, stride, pad, group)
    transposed = _TRANSPOSED[len(stride)]
    return transposed(x, weight, bias, stride, pad, 0, group, dilation)


def _by_phases(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    stride: Shape,
    pad: Shape,
    group: int,
) -> torch.Tensor:
    n, channels, height, width = x.shape
    outputs, kernel = weight.shape[1], weight.shape[2:]
    inputs = channels // group
    (sh, sw), (th, tw) = stride, [-(-k // s) for k, s in zip(kernel, stride)]
    # One column per cell of s x s outputs: the th x tw inputs that reach it, the last one first.
    rows, columns = height + th - 1, width + tw - 1
    reached = F.unfold(x, (th, tw), padding=(th - 1, tw - 1))
    reached = reached.view(n * group, inputs * th * tw, rows * columns)
    # The kernel, padded with zeros, in pieces of s x s, reversed to match the inputs' order.
    pieces = F.pad(weight, (0, tw * sw - kernel[1], 0, th * sh - kernel[0]))
    pieces = pieces.view(group, inputs, outputs, th, sh, tw, sw).flip(3, 5)
    pieces = pieces.permute(0, 1, 3, 5, 2, 4, 6).reshape(group, inputs * th * tw, outputs * sh * sw)
    if n > 1:
        pieces = pieces.repeat(n, 1, 1)
    cells = reached.transpose(1, 2) @ pieces
    full = cells.view(n, group, rows, columns, outputs, sh, sw).permute(0, 1, 4, 2, 5, 3, 6)
    full = full.reshape(n, group * outputs, rows * sh, columns * sw)
    bottom = sh * (height - 1) + kernel[0] - pad[0]
    right = sw * (width - 1) + kernel[1] - pad[1]
    top = full[:, :, pad[0] : bottom, pad[1] : right]
    return top if bias is None else top + bias[:, None, None]


def _factors(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Factor kernels C x 1 x kh x kw into rows C x kh and columns C x kw; None if impossible."""
    kernels = weight[:, 0].double()
    total = kernels.sum((1, 2))[:, None]
    if not bool((total != 0).all()):
        return None
    rows, columns = kernels.sum(2), kernels.sum(1) / total
    product = rows[:, :, None] * columns[:, None, :]
    exact = (product - kernels).abs().max() <= 1e-6 * kernels.abs().max()
    return (rows.to(weight.dtype), columns.to(weight.dtype)) if bool(exact) else None


def _by_axes(
    x: torch.Tensor,
    factors: tuple[torch.Tensor, torch.Tensor],
    bias: torch.Tensor | None,
    stride: Shape,
    pad: Shape,
) -> torch.Tensor:
    sides = [
        _spread(factor, size, step, border)
        for factor, size, step, border in zip(factors, x.shape[2:], stride, pad)
    ]
    top = sides[0].transpose(1, 2) @ (x @ sides[1])
    return top if bias is None else top + bias[:, None, None]


def _spread(factor: torch.Tensor, size: int, stride: int, pad: int) -> torch.Tensor:
    """Make matrices C x size x outputs: row i of channel c is its factor, i strides along.

    `factor` is C x k.
    """
    channels, kernel = factor.shape
    full = stride * (size - 1) + kernel
    matrix = factor.new_zeros(channels, size, full)
    steps = matrix.stride(1) + stride
    matrix.as_strided((channels, size, kernel), (matrix.stride(0), steps, 1)).copy_(
        factor[:, None, :].expand(channels, size, kernel)
    )
    return matrix[:, :, pad : full - pad]
