"""Transposed convolution, fast for the large strides by which FCNs upsample.

Taken one output phase at a time (all output pixels that share their position modulo the stride), a
transposed convolution of stride s and kernel k is an ordinary one with a kernel of ceil(k / s). All
phases together are one matrix product a group, whose result only has to be laid out; there is no
overlapping sum as in col2im.
"""

import torch.nn.functional as F

_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
_LARGE_STRIDE = 4


def deconvolve(x, weight, bias, stride, pad, dilation, group):
    """N x C x spatial -> N x O x spatial, with weights C x O/group x kernel."""
    if len(stride) == 2 and min(stride) >= _LARGE_STRIDE and max(dilation) == 1:
        return _by_phases(x, weight, bias, stride, pad, group)
    transposed = _TRANSPOSED[len(stride)]
    return transposed(x, weight, bias, stride, pad, 0, group, dilation)


def _by_phases(x, weight, bias, stride, pad, group):
    n, channels, height, width = x.shape
    outputs, kernel = weight.shape[1], weight.shape[2:]
    inputs = channels // group
    (sh, sw), (th, tw) = stride, [-(-k // s) for k, s in zip(kernel, stride)]
    # One column a cell of s x s outputs: the th x tw inputs that reach it, the last one first.
    rows, columns = height + th - 1, width + tw - 1
    reached = F.unfold(x, (th, tw), padding=(th - 1, tw - 1))
    reached = reached.view(n * group, inputs * th * tw, rows * columns)
    # The kernel in pieces of s x s, zeros behind it, turned round to meet them in that order.
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
