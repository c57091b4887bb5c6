"""Losses of scores against labels, each with its gradient.

Scores are N x C x H x W float32, labels N x 1 x H x W or N x H x W with class indices; pixels whose
label is `ignore` do not count. Each loss returns (its value, a function that returns the gradient
of the value for the scores, N x C x H x W float32). p_k is the softmax over the classes, and t the
label of a pixel. A mean over no pixel is 0. All raise `InputError` for labels that are not a class
of the scores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffeformat import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    Scores = NDArray[np.float32]
    Labels = NDArray[Any]
    Loss = tuple[float, Callable[[], Scores]]

_SMALL = np.float32(1e-12)


class _Pixels:
    """Softmax and labels of a batch, with its pixels in one axis."""

    def __init__(self, scores: Scores, labels: Labels, ignore: int | None) -> None:
        self.shape = scores.shape
        count, classes = self.shape[:2]
        flat = np.asarray(scores, np.float32).reshape(count, classes, -1)
        index = np.asarray(labels).reshape(count, -1)
        if index.shape[1] != flat.shape[2]:
            raise InputError(
                f"a loss got scores of {flat.shape[2]} pixels and labels of {index.shape[1]}; "
                "expected one label per pixel"
            )
        self.valid = np.ones(index.shape, bool) if ignore is None else index != ignore
        used = index[self.valid]
        if used.size and not (used.min() >= 0 and used.max() < classes):
            wrong = used.min() if used.min() < 0 else used.max()
            raise InputError(
                f"a label is {wrong:g}, but the net scores classes 0 to {classes - 1}: check the "
                "labels, or set ignore_label"
            )
        self.label = np.where(self.valid, index, 0).astype(np.intp)[:, None]
        self.counted = max(1, int(self.valid.sum()))
        shifted = flat - flat.max(1, keepdims=True)
        exponentials = np.exp(shifted)
        sums = exponentials.sum(1, keepdims=True)
        self.share = exponentials / sums
        # log p_t and p_t, N x pixels
        self.log_true = (np.take_along_axis(shifted, self.label, 1) - np.log(sums))[:, 0]
        self.true = np.exp(self.log_true)

    def gradient(self, factor: NDArray[np.float32]) -> Scores:
        """factor (1 per pixel) times the gradient of -log p_t, which is p - one_hot(t)."""
        factor = np.where(self.valid, factor, 0).astype(np.float32)[:, None]
        found = self.share * factor
        at_label = np.take_along_axis(found, self.label, 1) - factor
        np.put_along_axis(found, self.label, at_label, 1)
        return found.reshape(self.shape)


def softmax(scores: Scores, labels: Labels, ignore: int | None = None) -> Loss:
    """Mean of -log p_t over the pixels that count: Caffe's SoftmaxWithLoss with VALID."""
    pixels = _Pixels(scores, labels, ignore)
    value = -pixels.log_true[pixels.valid].sum(dtype=np.float64) / pixels.counted
    share = np.float32(1 / pixels.counted)
    return float(value), lambda: pixels.gradient(np.full(pixels.true.shape, share, np.float32))


def focal(scores: Scores, labels: Labels, ignore: int | None = None, gamma: float = 2.0) -> Loss:
    """Mean of -(1 - p_t)^gamma log p_t over the pixels that count (Lin et al. 2017, alpha 1)."""
    pixels = _Pixels(scores, labels, ignore)
    wrong = 1 - pixels.true
    weight = wrong**gamma
    value = -(weight * pixels.log_true)[pixels.valid].sum(dtype=np.float64) / pixels.counted

    def gradient() -> Scores:
        # d/d(log p_t) of the summand, for -log p_t
        slope = gamma * pixels.true * np.maximum(wrong, _SMALL) ** (gamma - 1) * pixels.log_true
        return pixels.gradient((weight - slope) / np.float32(pixels.counted))

    return float(value), gradient


def hard_pixels(
    scores: Scores,
    labels: Labels,
    ignore: int | None = None,
    threshold: float = 0.7,
    keep: float = 0.0625,
) -> Loss:
    """Mean of -log p_t over hard pixels: those with p_t below `threshold`, but not too few.

    At least the share `keep` (0 to 1) of the pixels that count is kept, the hardest ones (online
    bootstrapping: Wu, Shen and van den Hengel 2016).
    """
    pixels = _Pixels(scores, labels, ignore)
    least = int(np.ceil(keep * pixels.valid.sum()))
    order = np.where(pixels.valid, pixels.log_true, np.inf).ravel()
    hard = order < np.log(threshold)
    if hard.sum() < least:
        hard[np.argpartition(order, least - 1)[:least]] = True
    hard = hard.reshape(pixels.valid.shape) & pixels.valid
    counted = max(1, int(hard.sum()))
    value = -pixels.log_true[hard].sum(dtype=np.float64) / counted
    return float(value), lambda: pixels.gradient(hard.astype(np.float32) / np.float32(counted))


def dice(
    scores: Scores,
    labels: Labels,
    ignore: int | None = None,
    smooth: float = 1.0,
    squared: bool = False,
    present: bool = True,
) -> Loss:
    """1 - the mean over classes of the soft Dice coefficient of the whole batch.

    Of class k: (2 sum p_k y_k + smooth) / (sum p_k + sum y_k + smooth), over the pixels that count,
    y_k being 1 where the label is k; with `squared` the sum of p_k^2 in the denominator (Milletari,
    Navab and Ahmadi 2016). `present` leaves out classes that the batch's labels do not hold.
    """
    pixels = _Pixels(scores, labels, ignore)
    classes = pixels.share.shape[1]
    valid = pixels.valid[:, None]
    share = np.where(valid, pixels.share, 0)
    of_label = np.bincount(pixels.label[valid], minlength=classes).astype(np.float64)
    both = np.bincount(pixels.label[valid], pixels.true[pixels.valid], minlength=classes)
    weighed = share * share if squared else share
    top = 2 * both + smooth
    bottom = weighed.sum((0, 2), dtype=np.float64) + of_label + smooth
    counts = of_label > 0 if present else np.ones(classes, bool)
    number = max(1, int(counts.sum()))
    value = (1 - top / bottom)[counts].sum() / number

    def gradient() -> Scores:
        # For p_k: -(2 y_k / bottom_k - top_k / bottom_k^2 [2 p_k with `squared`]) / number
        along = np.where(counts, top / bottom**2, 0).astype(np.float32)[:, None] / number
        at_label = np.where(counts, 2 / bottom, 0).astype(np.float32) / number
        for_share = np.broadcast_to(along, share.shape) * (2 * share if squared else 1)
        true = np.take_along_axis(for_share, pixels.label, 1) - at_label[pixels.label]
        for_share = for_share.copy()
        np.put_along_axis(for_share, pixels.label, true, 1)
        # Through the softmax: p_k (g_k - sum_j g_j p_j)
        for_share -= (for_share * share).sum(1, keepdims=True)
        return (for_share * share).reshape(pixels.shape)

    return float(value), gradient
