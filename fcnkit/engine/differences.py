"""How far apart two arrays are, whether or not their values include NaN and infinity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Differences are measured against the array's own size: an element below this share of the largest
# is noise from terms that cancelled out.
NOISE_FLOOR = 0.01


def largest_difference(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """Largest |ours - theirs| relative to max(|theirs|, 1% of the array's largest).

    Differences up to 1e-5 count as none. The result is infinite where the shapes differ or one
    side alone has NaN.
    """
    if ours.shape != theirs.shape:
        return np.inf
    if not ours.size:
        return 0.0
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    size = np.abs(theirs)
    noise = NOISE_FLOOR * size[np.isfinite(size)].max(initial=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.where(same, 0, np.maximum(np.abs(ours - theirs) - 1e-5, 0))
        relative = excess / np.maximum(size, noise)
    largest = np.where(excess == 0, 0, relative).max()
    return float(np.inf if np.isnan(largest) else largest)


def largest_absolute(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """Largest |ours - theirs|; infinite where the shapes differ or one side alone has NaN."""
    if ours.shape != theirs.shape:
        return np.inf
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    with np.errstate(invalid="ignore"):
        apart = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
    largest = np.where(same, 0, apart).max(initial=0)
    return float(np.inf if np.isnan(largest) else largest)
