"""Segmentation without a network: each pixel gets the class that its colour had most often.

Its score shows how much of a task can be solved by colour alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ColourClassifier:
    """The most frequent class in each cell of the RGB cube, with `bins` cells along each axis."""

    def __init__(self, classes: int, bins: int = 16) -> None:
        self._bins = bins
        self._counts = np.zeros((bins**3, classes), np.int64)

    def _cells(self, image: NDArray[np.uint8]) -> NDArray[np.int32]:
        steps = image.astype(np.int32) * self._bins >> 8
        return (steps[..., 0] * self._bins + steps[..., 1]) * self._bins + steps[..., 2]

    def learn(self, image: NDArray[np.uint8], label: NDArray[np.uint8]) -> None:
        """Count one image (H x W x 3) with its label (H x W); indices past the classes are ignored.

        May be called any number of times.
        """
        classes = self._counts.shape[1]
        counted = label < classes
        pairs = self._cells(image)[counted] * classes + label[counted]
        self._counts += np.bincount(pairs, minlength=self._counts.size).reshape(-1, classes)

    def class_map(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the class of each pixel, H x W; unseen colours get the most frequent class."""
        seen = self._counts.any(axis=1)
        best = np.where(seen, self._counts.argmax(1), self._counts.sum(0).argmax())
        mask: NDArray[np.uint8] = best[self._cells(image)].astype(np.uint8)
        return mask
