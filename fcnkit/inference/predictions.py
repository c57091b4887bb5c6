"""What a net says of an image: its class map and how sure it is, from the scores of its blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from caffeformat import InputError
from fcnkit.images import Resampling

from .winners import winners

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from .averaging import Block


class Prediction(NamedTuple):
    """What a net says of an image."""

    # The class of highest score, H x W uint8
    mask: NDArray[np.uint8]
    # Its probability, H x W float32, 0 to 1; None where it was not asked for
    confidence: NDArray[np.float32] | None
    # The number of classes that the net scores
    classes: int


class Canvas:
    """The `Prediction` of one image as its blocks come in.

    seen        (height, width) in which the net saw the image
    shape       (height, width) of the image
    confidence  returns the probability of the highest of scores, classes x H x W; None where that
                is not asked for
    """

    def __init__(
        self,
        seen: Sequence[int],
        shape: Sequence[int],
        confidence: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None,
    ) -> None:
        self._shape, self._confidence, self._classes = tuple(shape[:2]), confidence, 0
        self._mask = np.empty(seen[:2], np.uint8)
        self._sure = None if confidence is None else np.empty(seen[:2], np.float32)

    def add(self, block: Block) -> Canvas:
        """Add the scores of a block; returns the canvas."""
        self._classes = len(block.scores)
        self._mask[block.rows, block.columns] = class_indices(block.scores)
        if self._sure is not None and self._confidence is not None:
            self._sure[block.rows, block.columns] = self._confidence(block.scores)
        return self

    def prediction(self) -> Prediction:
        """The image's prediction at its own size."""
        sure = None if self._sure is None else stretched(self._sure, self._shape)
        return Prediction(stretched(self._mask, self._shape), sure, self._classes)


def class_indices(scores: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The class of highest score at every pixel: H x W of classes x H x W."""
    check_count(len(scores))
    return winners(scores)


def check_count(classes: int) -> None:
    """Raise `InputError` for more `classes` than a class map can hold."""
    if classes > 255:
        raise InputError(f"{classes} classes do not fit a class map of bytes (at most 255)")


def stretched(values: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """H x W values at `shape` (height, width): each pixel takes the nearest value."""
    height, width = shape
    if values.shape == (height, width):
        return values
    return np.asarray(Image.fromarray(values).resize((width, height), Resampling.NEAREST))
