"""Losses of scores against labels, each with its gradient.

Scores are N x C x H x W float32, labels N x 1 x H x W or N x H x W with class indices; pixels whose
label is `ignore` do not count. Each loss returns (its value, a function that returns the gradient
of the value for the scores, N x C x H x W float32). p_k is the softmax over the classes, and t the
label of a pixel. A mean over no pixel is 0. All raise `InputError` for labels that are not a class
of the scores.

Of NumPy's arrays the value is a number. Scores and labels may also be PyTorch's tensors on one
device: then value (0-dimensional, float64) and gradient are, too.

Several processes may share a batch: `shared` adds up over them. The mean of their values is the
value for the whole batch, and the mean of the gradients that theirs lead to is that of it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import InputError

from .arrays import Alone, operations_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .arrays import Array

    Loss = tuple[Any, Callable[[], Array]]

_SMALL = 1e-12
_ALONE = Alone()
_INFINITE = 0x7F800000  # the bits of the largest float32


class _Pixels:
    """Softmax and labels of a batch, with its pixels in one axis.

    Attributes: `share` (softmax, N x C x pixels), `label` (N x 1 x pixels, 0 where it does not
    count), `valid`, `log_true` and `true` (log p_t and p_t, N x pixels), `counted` (how many pixels
    count, at least 1).
    """

    def __init__(self, scores: Array, labels: Array, ignore: int | None, shared: Alone) -> None:
        self._shared = shared
        self.ops = ops = operations_for(scores)
        self.shape = tuple(scores.shape)
        count, self.classes = self.shape[:2]
        flat = ops.single(scores).reshape(count, self.classes, -1)
        index = labels.reshape(count, -1)
        if index.shape[1] != flat.shape[2]:
            raise InputError(
                f"a loss got scores of {flat.shape[2]} pixels and labels of {index.shape[1]}; "
                "expected one label per pixel"
            )
        self.valid = index == index if ignore is None else index != ignore
        index = index if ignore is None else ops.where(self.valid, index)
        low, high = ops.bounds(index) if math.prod(self.shape) else (0, 0)
        if not (low >= 0 and high < self.classes):
            raise InputError(
                f"a label is {low if low < 0 else high:g}, but the net scores classes 0 to "
                f"{self.classes - 1}: check the labels, or set ignore_label"
            )
        self.label = ops.index(index)[:, None]
        self.counted = self.share_of(self.valid.sum())
        self.share, self.log_true = ops.softmax(flat, self.label)
        self.true = ops.exp(self.log_true)

    def share_of(self, counted: Array) -> Array:
        """What this process's sum is divided by, where `counted` of its pixels are in the mean."""
        return self.ops.at_least(self._shared.total(counted), 1) / self._shared.count

    def are_hardest(self, least: int) -> Array:
        """Whether each pixel is one of the `least` of all processes with the lowest p_t.

        Those as low as the last of them are, too.
        """
        ops = self.ops
        if self._shared.count == 1:
            order = ops.where(self.valid, self.log_true, math.inf)
            return order <= ops.smallest(order, least)
        # Of the bits of -log p_t, the largest bound that so many reach
        bits = ops.where(self.valid, ops.bits(self.log_true), -1)
        low, high = 0, _INFINITE
        while low < high:
            middle = (low + high + 1) // 2
            enough = int(self._shared.total((bits >= middle).sum())) >= least
            low, high = (middle, high) if enough else (low, middle - 1)
        return bits >= low

    def mean_of(self, values: Array, counted: Array) -> Any:
        """The sum of `values`, N x pixels, over `counted`: a number, or a tensor with one."""
        mean = self.ops.total(values) / counted
        return float(mean) if isinstance(mean, np.generic) else mean

    def gradient(self, factor: Array) -> Array:
        """factor (1 per pixel) times the gradient of -log p_t, which is p - one_hot(t)."""
        factor = self.ops.single(self.ops.where(self.valid, factor))[:, None]
        found = self.share * factor
        self.ops.add_at(found, self.label, -factor)
        return found.reshape(self.shape)


def softmax(
    scores: Array, labels: Array, ignore: int | None = None, *, shared: Alone = _ALONE
) -> Loss:
    """Mean of -log p_t over the pixels that count: Caffe's SoftmaxWithLoss with VALID."""
    pixels = _Pixels(scores, labels, ignore, shared)
    value = -pixels.mean_of(pixels.ops.where(pixels.valid, pixels.log_true), pixels.counted)
    return value, lambda: pixels.gradient(pixels.valid / pixels.counted)


def focal(
    scores: Array,
    labels: Array,
    ignore: int | None = None,
    gamma: float = 2.0,
    *,
    shared: Alone = _ALONE,
) -> Loss:
    """Mean of -(1 - p_t)^gamma log p_t over the pixels that count (Lin et al. 2017, alpha 1)."""
    pixels = _Pixels(scores, labels, ignore, shared)
    ops = pixels.ops
    wrong = 1 - pixels.true
    weight = wrong**gamma
    value = -pixels.mean_of(ops.where(pixels.valid, weight * pixels.log_true), pixels.counted)

    def gradient() -> Array:
        # d/d(log p_t) of the summand, for -log p_t
        slope = gamma * pixels.true * ops.at_least(wrong, _SMALL) ** (gamma - 1) * pixels.log_true
        return pixels.gradient((weight - slope) / pixels.counted)

    return value, gradient


def hard_pixels(
    scores: Array,
    labels: Array,
    ignore: int | None = None,
    threshold: float = 0.7,
    keep: float = 0.0625,
    *,
    shared: Alone = _ALONE,
) -> Loss:
    """Mean of -log p_t over hard pixels: those with p_t below `threshold`, but not too few.

    At least the share `keep` (0 to 1) of the pixels that count is kept, the hardest ones and those
    as hard as the last of them (online bootstrapping: Wu, Shen and van den Hengel 2016).
    """
    pixels = _Pixels(scores, labels, ignore, shared)
    ops = pixels.ops
    least = math.ceil(keep * int(shared.total(pixels.valid.sum())))
    hard = pixels.log_true < math.log(threshold)
    if least:
        hard = hard | pixels.are_hardest(least)
    hard = hard & pixels.valid
    counted = pixels.share_of(hard.sum())
    value = -pixels.mean_of(ops.where(hard, pixels.log_true), counted)
    return value, lambda: pixels.gradient(hard / counted)


def dice(
    scores: Array,
    labels: Array,
    ignore: int | None = None,
    smooth: float = 1.0,
    squared: bool = False,
    present: bool = True,
    *,
    shared: Alone = _ALONE,
) -> Loss:
    """1 - the mean over classes of the soft Dice coefficient of the whole batch.

    Of class k: (2 sum p_k y_k + smooth) / (sum p_k + sum y_k + smooth), over the pixels that count,
    y_k being 1 where the label is k; with `squared` the sum of p_k^2 in the denominator (Milletari,
    Navab and Ahmadi 2016). `present` leaves out classes that the batch's labels do not hold.
    """
    pixels = _Pixels(scores, labels, ignore, shared)
    ops, valid, label = pixels.ops, pixels.valid, pixels.label
    share = ops.where(valid[:, None], pixels.share)
    of_label = shared.total(ops.total_by(label, ops.double(valid), pixels.classes))
    both = shared.total(ops.total_by(label, ops.where(valid, pixels.true), pixels.classes))
    top = 2 * both + smooth
    of_share = shared.total(ops.totals(share * share if squared else share))
    bottom = of_share + of_label + smooth
    counts = of_label > 0 if present else of_label == of_label
    number = ops.at_least(counts.sum(), 1)
    value = pixels.mean_of(ops.where(counts, 1 - top / bottom), number)

    def gradient() -> Array:
        # For p_k: -(2 y_k / bottom_k - top_k / bottom_k^2 [2 p_k with `squared`]) / number; the
        # value is that of all processes, and so each one's gradient is a part of the whole.
        part = shared.count / number
        along = ops.single(ops.where(counts, top / bottom**2) * part)[:, None]
        at_label = ops.single(ops.where(counts, 2 / bottom) * part)
        for_share = along * (2 * share) if squared else ops.spread(along, share)
        ops.add_at(for_share, label, -at_label[label])
        # Through the softmax: p_k (g_k - sum_j g_j p_j)
        for_share -= (for_share * share).sum(1)[:, None]
        for_share *= share
        return for_share.reshape(pixels.shape)

    return value, gradient
