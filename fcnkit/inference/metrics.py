"""Segmentation scores from a confusion matrix, as the FCN paper defines them.

With n_ij the number of pixels of class i that were predicted as class j, t_i = sum_j n_ij, and n_cl
the number of classes (Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic
Segmentation", CVPR 2015, section 5):

- pixel accuracy:          sum_i n_ii / sum_i t_i
- mean accuracy:           1/n_cl * sum_i n_ii / t_i
- mean IoU:                1/n_cl * sum_i n_ii / (t_i + sum_j n_ji - n_ii)
- frequency weighted IoU:  1/sum_k t_k * sum_i t_i n_ii / (t_i + sum_j n_ji - n_ii)

Beside them, of each class, with TP = n_ii, FP = sum_j n_ji - n_ii and FN = t_i - n_ii (van
Rijsbergen, "Information Retrieval", 1979, chapter 7; F1 of pixels is Dice's coefficient, "Measures
of the Amount of Ecologic Association Between Species", Ecology 26, 1945):

- precision:               TP / (TP + FP)
- recall:                  TP / (TP + FN), which the FCN paper calls the class's accuracy
- F1 (Dice):               2 TP / (2 TP + FP + FN)

A class that occurs neither in the labels nor in the predictions has no IoU: it is NaN and left out
of the mean; so are its F1, the recall of a class that does not occur in the labels, and the
precision of one that was never predicted. A class that is only predicted, and thus wrongly, has IoU
0 and counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import InputError
from fcnkit.images import IGNORE_LABEL

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class ConfusionMatrix:
    """Pixel counts of `n` classes: `counts[i, j]` pixels of class i were predicted as class j.

    `counts` is n x n int64. Label pixels equal to `ignore` are not counted, whatever was predicted
    there; `ignore=None` counts every pixel.
    """

    def __init__(self, n: int, ignore: int | None = 255) -> None:
        if n < 1:
            raise InputError(f"a confusion matrix needs at least one class, got {n}")
        self.n, self.ignore = int(n), ignore
        self.counts: NDArray[np.int64] = np.zeros((self.n, self.n), np.int64)

    def update(
        self, prediction: NDArray[Any], label: NDArray[Any], name: str = "this image"
    ) -> None:
        """Count one image or a batch: two integer arrays of class indices of the same shape.

        `name` is what errors call the image. Raises `InputError` where the shapes differ or where
        a counted pixel's label or prediction is not one of the classes; then nothing of this
        image is counted.
        """
        prediction, label = np.asarray(prediction), np.asarray(label)
        if prediction.shape != label.shape:
            raise InputError(
                f"{name}: the prediction is {_size(prediction)} but the label is {_size(label)}; "
                "both must have the size of the image"
            )
        if self.ignore is not None:
            counted = label != self.ignore
            prediction, label = prediction[counted], label[counted]
        self._check(label, "label", name)
        self._check(prediction, "prediction", name)
        pairs = label.astype(np.intp).ravel() * self.n
        pairs += prediction.ravel().astype(np.intp)
        self.counts += np.bincount(pairs, minlength=self.n**2).reshape(self.n, self.n)

    def _check(self, indices: NDArray[Any], role: str, name: str) -> None:
        if not indices.size:
            return
        low, high = indices.min(), indices.max()
        if low >= 0 and high < self.n:
            return
        wrong = int(high if high >= self.n else low)
        ignored = "" if self.ignore is None else f" (and {self.ignore} for ignored label pixels)"
        whole = "pass all classes with {classes|a net that scores them}"
        advice = f"{whole}, or correct the label"
        if role == "label" and wrong == self.n:
            advice += (
                "; labels that count from 1 need a colour map that begins with the colour of 1 "
                "(`1 1 1` in grey labels)"
            )
        elif role != "label":
            advice = f"{whole}, or masks that were made for these"
            advice += ", with a class at every pixel" if wrong == IGNORE_LABEL else ""
        raise InputError(
            f"{name}: the {role} has class index {wrong}, but there are {self.n} classes, "
            f"0 to {self.n - 1}{ignored}: {advice}",
            options={"classes": None},
        )

    def __iadd__(self, other: ConfusionMatrix) -> ConfusionMatrix:
        """Add another matrix over the same classes."""
        if other.n != self.n:
            raise InputError(f"cannot add counts of {other.n} classes to counts of {self.n}")
        self.counts += other.counts
        return self

    def reset(self) -> None:
        """Set all counts to zero."""
        self.counts[:] = 0

    @property
    def total(self) -> int:
        """Number of counted pixels."""
        return int(self.counts.sum())

    @property
    def class_accuracy(self) -> NDArray[np.float64]:
        """n_ii / t_i of each class, float64; NaN where no pixel has its label."""
        return _ratio(np.diag(self.counts), self.counts.sum(1))

    @property
    def recall(self) -> NDArray[np.float64]:
        """The same as `class_accuracy`: TP / (TP + FN) of each class."""
        return self.class_accuracy

    @property
    def precision(self) -> NDArray[np.float64]:
        """TP / (TP + FP) of each class, float64; NaN where it was never predicted."""
        return _ratio(np.diag(self.counts), self.counts.sum(0))

    @property
    def f1(self) -> NDArray[np.float64]:
        """2 TP / (2 TP + FP + FN) of each class (Dice), float64; NaN for absent classes."""
        return _ratio(2 * np.diag(self.counts), self.counts.sum(1) + self.counts.sum(0))

    @property
    def iou(self) -> NDArray[np.float64]:
        """n_ii / (t_i + sum_j n_ji - n_ii) of each class, float64; NaN for absent classes."""
        correct = np.diag(self.counts)
        return _ratio(correct, self.counts.sum(1) + self.counts.sum(0) - correct)

    @property
    def pixel_accuracy(self) -> float:
        """Share of the counted pixels whose class is right; NaN where nothing was counted."""
        return float(_ratio(np.diag(self.counts).sum(), self.counts.sum()))

    @property
    def mean_accuracy(self) -> float:
        """Mean of `class_accuracy` over the classes that occur in the labels."""
        return _mean(self.class_accuracy)

    @property
    def mean_iou(self) -> float:
        """Mean of `iou` over the classes that occur in labels or predictions."""
        return _mean(self.iou)

    @property
    def mean_f1(self) -> float:
        """Mean of `f1` over the classes that occur in labels or predictions."""
        return _mean(self.f1)

    @property
    def frequency_weighted_iou(self) -> float:
        """IoU weighted by the number of label pixels of each class."""
        labelled = self.counts.sum(1)
        present = labelled > 0
        return float(_ratio((labelled[present] * self.iou[present]).sum(), labelled.sum()))

    @property
    def predicted_classes(self) -> NDArray[np.intp]:
        """Indices of the classes that were predicted at least once."""
        return np.flatnonzero(self.counts.sum(0))

    @property
    def labelled_classes(self) -> NDArray[np.intp]:
        """Indices of the classes that occur in the labels."""
        return np.flatnonzero(self.counts.sum(1))


def _ratio(numerator: ArrayLike, denominator: ArrayLike) -> NDArray[np.float64]:
    over, under = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    result = np.full(over.shape, np.nan)
    np.divide(over, under, out=result, where=under > 0)
    return result


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _size(array: NDArray[Any]) -> str:
    if array.ndim == 2:
        return f"{array.shape[1]}x{array.shape[0]}"
    return "x".join(map(str, array.shape))
