"""Scores of a class map against its ground truth.

Confusion counts and the measures derived from them follow Long, Shelhamer and Darrell, "Fully
Convolutional Networks for Semantic Segmentation" (CVPR 2015), section 5: with n[i, j] the number of
pixels of class i predicted as class j and t[i] = sum_j n[i, j], IoU of class i is
n[i, i] / (t[i] + sum_j n[j, i] - n[i, i]). Pixels whose ground truth is 255 are not counted.
"""

from __future__ import absolute_import, division, unicode_literals

import numpy as np

from .classmap import IGNORE
from .errors import FcnError


def confusion(truth, predicted, classes):
    """Return confusion counts: `classes` x (`classes` + 1) int64, rows truth, columns prediction.

    truth, predicted: H x W uint8. The last column counts predictions that are not a class (255).
    Raises FcnError where the sizes differ or the ground truth has an index past the classes.
    """
    if truth.shape != predicted.shape:
        raise FcnError(
            "The ground truth is %d x %d pixels and the class map %d x %d (width x height); "
            "expected equal sizes. Test the image at its own size, without resizing."
            % (truth.shape[1], truth.shape[0], predicted.shape[1], predicted.shape[0])
        )
    # With 256 classes index 255 is a class in the map, but still "ignore" in a label.
    known = truth != IGNORE
    rows = truth[known].astype(np.int64)
    if rows.size and rows.max() >= classes:
        index = int(rows.max())
        raise FcnError(
            "The ground truth has class index %d at %d pixels; the network has %d classes "
            "(0 to %d). Use a label folder and a network of the same dataset."
            % (index, int((rows == index).sum()), classes, classes - 1)
        )
    columns = np.minimum(predicted[known], classes).astype(np.int64)
    counts = np.bincount(rows * (classes + 1) + columns, minlength=classes * (classes + 1))
    return counts.reshape(classes, classes + 1)


def iou(counts):
    """Return each class's IoU from `confusion` counts: float64, NaN for a class in neither map."""
    classes = len(counts)
    hit = np.diag(counts[:, :classes]).astype(np.float64)
    union = counts.sum(axis=1) + counts[:, :classes].sum(axis=0) - hit
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(union > 0, hit / union, np.nan)


def mean_iou(counts):
    """Return the mean of `iou` over the classes that occur in either map; NaN where none does."""
    each = iou(counts)
    each = each[~np.isnan(each)]
    return float(each.mean()) if each.size else float("nan")


def pixel_accuracy(counts):
    """Return the share of counted pixels whose class is right; NaN if none is counted."""
    total = counts.sum()
    return float(np.trace(counts[:, : len(counts)])) / total if total else float("nan")
