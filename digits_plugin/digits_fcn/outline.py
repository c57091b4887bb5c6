"""Border distance: how far each pixel is from the border of its segment.

DIGITS' own view solves a distance equation over the whole image for every class. Outlines need
only the first few pixels, so a border mask is grown a few times instead: once for all classes,
whatever their number. Both pixels of a pair of different neighbours are border, so growing the mask
by one step reaches the next distance on both sides at once.
"""

from __future__ import absolute_import, division, unicode_literals

import numpy as np

LEVELS = 6


def border_distance(indices, levels=LEVELS):
    """Return the distance to the nearest pixel of another class, in pixels, up to `levels`.

    indices: H x W integer. Returns H x W uint8: 1 on the border, 2 beside it, ..., `levels`;
    0 farther away. Steps alternate between the 4 and the 8 neighbours, which draws octagons:
    close to circles at these sizes.
    """
    border = np.zeros(indices.shape, np.uint8)
    if not indices.size or levels < 1:
        return border
    unlike = (indices[:, 1:] != indices[:, :-1]).view(np.uint8)
    border[:, 1:] |= unlike
    border[:, :-1] |= unlike
    unlike = (indices[1:] != indices[:-1]).view(np.uint8)
    border[1:] |= unlike
    border[:-1] |= unlike
    reached = border
    count = border.copy()
    for step in range(1, levels):
        reached = grown(reached, square=step % 2 == 0)
        count += reached
    # A pixel reached only by the last k masks is levels + 1 - k steps away.
    return np.where(count > 0, levels + 1 - count, 0).astype(np.uint8)


def grown(mask, square):
    """Return the H x W 0/1 uint8 mask grown by one pixel: in 8 directions if `square`, else 4."""
    out = mask.copy()
    out[:, 1:] |= mask[:, :-1]
    out[:, :-1] |= mask[:, 1:]
    source = out.copy() if square else mask
    out[1:] |= source[:-1]
    out[:-1] |= source[1:]
    return out
