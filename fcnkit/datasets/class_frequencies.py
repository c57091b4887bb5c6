"""How often classes occur in a dataset's labels, and the class weights that follow from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from .reading import SegmentationDataset


def median_frequency_weights(
    pixels: Iterable[float], present: Iterable[float]
) -> list[float | None]:
    """Return the median-frequency weight of each class; None for a class without pixels.

    `pixels` holds the number of pixels of each class, `present` the number of labelled pixels in
    the images that show the class. A class's frequency is pixels / present; its weight is the
    median of all frequencies divided by its own (D. Eigen and R. Fergus, "Predicting depth, surface
    normals and semantic labels with a common multi-scale convolutional architecture", 2015,
    section 4.3).
    """
    frequencies = [p / q if p else None for p, q in zip(pixels, present)]
    known = [frequency for frequency in frequencies if frequency]
    median = float(np.median(known)) if known else 0.0
    return [median / frequency if frequency else None for frequency in frequencies]


def count_pixels(
    dataset: SegmentationDataset, classes: int, ignore: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (pixels of each class, labelled pixels of the images that show it).

    Pixels labelled `ignore` are not counted, nor are labels from `classes` on.
    """
    pixels, present = np.zeros((2, classes), np.int64)
    for i in range(len(dataset)):
        counts = np.bincount(dataset.label(i).ravel(), minlength=256)[:classes]
        if ignore is not None and 0 <= ignore < classes:
            counts[ignore] = 0
        pixels += counts
        present += np.where(counts > 0, counts.sum(), 0)
    return pixels, present
