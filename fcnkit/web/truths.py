"""Ground truth of samples that belong to a dataset."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import numpy as np

from fcnkit.images import as_rgb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fcnkit.datasets import SegmentationDataset
    from fcnkit.images import ImageForm


class Truths:
    """The labels of a `SegmentationDataset`, looked up by the names of its images.

    `bands` and `form` are what images were shown in, and read as. Several threads may look up
    labels at once.
    """

    def __init__(
        self,
        dataset: SegmentationDataset,
        bands: Sequence[int] | None = None,
        form: ImageForm | None = None,
    ) -> None:
        self._dataset, self._bands, self._form = dataset, bands, form
        self._lock = threading.Lock()
        self._index = {name: i for i, name in enumerate(dataset.ids)}

    def find(self, title: str, image: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        """Return the label of the image called `title`, H x W uint8, or None.

        `image` (H x W x 3 uint8 RGB) must equal the dataset's as shown, pixel for pixel, so that no
        image is ever compared to another one's label.
        """
        for name in (title, os.path.splitext(title)[0]):
            if name in self._index:
                with self._lock:
                    i = self._index[name]
                    own = self._dataset.image(i, self._form)
                    if np.array_equal(as_rgb(own, self._bands), image):
                        return self._dataset.label(i)
        return None
