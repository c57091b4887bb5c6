"""How far two arrays are apart, NaN and infinity among their values or not."""

import numpy as np

# Differences count against the array's own size: an element below this part of the largest is noise
# of the terms that cancelled in it.
NOISE_FLOOR = 0.01


def largest_difference(ours, theirs):
    """Largest |ours - theirs| relative to max(|theirs|, 1% of the array's largest).

    Differences up to 1e-5 count as none; other shapes and NaN on one side alone are infinite.
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


def largest_absolute(ours, theirs):
    """Largest |ours - theirs|; other shapes and NaN on one side alone are infinite."""
    if ours.shape != theirs.shape:
        return np.inf
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    with np.errstate(invalid="ignore"):
        apart = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
    largest = np.where(same, 0, apart).max(initial=0)
    return float(np.inf if np.isnan(largest) else largest)
