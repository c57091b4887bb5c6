"""The class of highest score at every pixel, and whether all scores are numbers, in little time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PIXELS = 1 << 15  # of a block whose intermediate results stay in the processor's cache


def winners(scores: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The index of the highest of `scores` (C x H x W, finite, C <= 256) at every pixel: H x W.

    Of equal scores the first counts, as with `argmax`, which takes several times as long along this
    axis.
    """
    found = np.zeros(scores.shape[1:], np.uint8)
    rows = max(1, _PIXELS // max(1, found.shape[1]))
    for top in range(0, len(found), rows):
        block, index = scores[:, top : top + rows], found[top : top + rows]
        best = block[0].copy()
        for number in range(1, len(block)):
            plane = block[number]
            np.copyto(index, number, where=plane > best)
            np.maximum(best, plane, out=best)
    return found


def is_finite(scores: NDArray[np.float32]) -> bool:
    """Whether none of `scores` is NaN or infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        # The sum shows every one of them, but also overflows for large numbers.
        return bool(np.isfinite(scores.sum(dtype=np.float32))) or bool(np.isfinite(scores).all())
