"""What the formulae of losses need of arrays: of NumPy's, and of PyTorch's tensors on any device.

So a loss is one formula wherever its scores lie. Of a tensor only methods are used, and nothing but
single numbers leaves its device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    # NDArray, or a tensor, which this room cannot name
    Array = Any


class Alone:
    """A batch that one process has whole.

    Of several processes that share a batch each has an object with these attributes: `count`, the
    number of processes, and `total`. All call `total` in the same order.
    """

    count = 1

    def total(self, x: Array) -> Array:
        """The sum of the processes' arrays `x`, of one shape and dtype."""
        return x


class _Host:
    """Operations on NumPy arrays."""

    @staticmethod
    def single(x: Array) -> Array:
        """`x` as float32."""
        return np.asarray(x, np.float32)

    @staticmethod
    def double(x: Array) -> Array:
        """`x` as float64."""
        return np.asarray(x, np.float64)

    @staticmethod
    def index(x: Array) -> Array:
        """`x` as integers."""
        return x.astype(np.intp)

    @staticmethod
    def where(mask: Array, x: Array, other: float = 0) -> Array:
        """`x` where the mask is true, the number `other` elsewhere."""
        return np.where(mask, x, other)

    @staticmethod
    def at_least(x: Array, low: float) -> Array:
        """`x`, but no less than `low`."""
        return np.maximum(x, low)

    @staticmethod
    def exp(x: Array) -> Array:
        return np.exp(x)

    @staticmethod
    def bounds(x: Array) -> tuple[float, float]:
        """The least and the greatest of `x`, NaN if there is one."""
        return float(x.min()), float(x.max())

    @staticmethod
    def total(x: Array) -> Array:
        """The sum of `x` in float64."""
        return x.sum(dtype=np.float64)

    @staticmethod
    def totals(x: Array) -> Array:
        """The sums of `x`, N x C x pixels, over all but C, in float64."""
        return x.sum((0, 2), dtype=np.float64)

    @staticmethod
    def total_by(label: Array, x: Array, classes: int) -> Array:
        """The sum of `x` for each of the classes that `label` holds, C, in float64."""
        return np.bincount(label.ravel(), x.ravel(), minlength=classes)

    @staticmethod
    def softmax(scores: Array, label: Array) -> tuple[Array, Array]:
        """Of scores N x C x pixels: (their softmax, its logarithm at the label, N x pixels)."""
        share = scores - scores.max(1, keepdims=True)
        log_true = np.take_along_axis(share, label, 1)
        np.exp(share, out=share)
        sums = share.sum(1, keepdims=True)
        share /= sums
        return share, (log_true - np.log(sums))[:, 0]

    @staticmethod
    def add_at(x: Array, label: Array, change: Array) -> None:
        """Add `change` (N x 1 x pixels) to what `x` (N x C x pixels) holds at the label."""
        np.put_along_axis(x, label, np.take_along_axis(x, label, 1) + change, 1)

    @staticmethod
    def spread(x: Array, like: Array) -> Array:
        """A new array of the shape of `like`, filled with `x`."""
        return np.broadcast_to(x, like.shape).copy()

    @staticmethod
    def smallest(x: Array, number: int) -> Array:
        """The `number`-th smallest of `x`, counted from 1."""
        return np.partition(x.ravel(), number - 1)[number - 1]

    @staticmethod
    def bits(x: Array) -> Array:
        """The bits of float32 as integers, which are in the order of what is not negative."""
        return np.abs(x).view(np.int32)


class _Device:
    """The same operations on tensors."""

    @staticmethod
    def single(x: Array) -> Array:
        return x.float()

    @staticmethod
    def double(x: Array) -> Array:
        return x.double()

    @staticmethod
    def index(x: Array) -> Array:
        return x.long()

    @staticmethod
    def where(mask: Array, x: Array, other: float = 0) -> Array:
        return x.masked_fill(~mask, other)

    @staticmethod
    def at_least(x: Array, low: float) -> Array:
        return x.clamp(min=low)

    @staticmethod
    def exp(x: Array) -> Array:
        return x.exp()

    @staticmethod
    def bounds(x: Array) -> tuple[float, float]:
        low, high = x.aminmax()
        return float(low), float(high)

    @staticmethod
    def total(x: Array) -> Array:
        return x.double().sum()

    @staticmethod
    def totals(x: Array) -> Array:
        return x.sum(2).double().sum(0)

    @staticmethod
    def total_by(label: Array, x: Array, classes: int) -> Array:
        return label.flatten().bincount(x.flatten().double(), classes)

    @staticmethod
    def softmax(scores: Array, label: Array) -> tuple[Array, Array]:
        logs = scores.log_softmax(1)
        log_true = logs.gather(1, label)[:, 0]
        return logs.exp_(), log_true

    @staticmethod
    def add_at(x: Array, label: Array, change: Array) -> None:
        x.scatter_add_(1, label, change)

    @staticmethod
    def spread(x: Array, like: Array) -> Array:
        return x.expand_as(like).clone()

    @staticmethod
    def smallest(x: Array, number: int) -> Array:
        return x.flatten().kthvalue(number).values

    @staticmethod
    def bits(x: Array) -> Array:
        return x.abs().view(x.new_empty(0).int().dtype)


def operations_for(scores: Array) -> Any:
    """The operations for arrays such as `scores`: a tensor, or what NumPy takes."""
    return _Device if hasattr(scores, "log_softmax") else _Host
