"""Colours as different from each other as a screen allows, for any number of classes.

Distances are measured in Oklab (Bjorn Ottosson, "A perceptual color space for image processing",
2020), where equal steps look about equally large. Starting with black (class 0, usually the
background) and the ignore label's colour, each next colour is the one of a fixed grid that is
farthest from all previous ones. The order does not depend on how many are requested, so a class
keeps its colour when classes are added.
"""

from __future__ import absolute_import, division, unicode_literals

import numpy as np

GRID = np.array([0, 18, 36, 55, 73, 91, 109, 128, 146, 164, 182, 200, 219, 237, 255])
# Darker colours look like background, lighter ones like paper; Oklab lightness from 0 to 1.
LIGHTNESS = (0.40, 0.93)
START = ((0, 0, 0), (224, 224, 192))

_known = []


def oklab(rgb):
    """Convert sRGB (n x 3, 0 to 255) to Oklab lightness, green-red, blue-yellow (n x 3 float64)."""
    value = np.asarray(rgb, np.float64) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    cones = linear.dot(
        np.array(
            [
                [0.4122214708, 0.2119034982, 0.0883024619],
                [0.5363325363, 0.6806995451, 0.2817188376],
                [0.0514459929, 0.1073969566, 0.6299787005],
            ]
        )
    )
    return np.cbrt(cones).dot(
        np.array(
            [
                [0.2104542553, 1.9779984951, 0.0259040371],
                [0.7936177850, -2.4285922050, 0.7827717662],
                [-0.0040720468, 0.4505937099, -0.8086757660],
            ]
        )
    )


def colours(count):
    """Return the first `count` (1 to 256) colours: count x 3 uint8; the first is black."""
    if len(_known) < count:
        # Computed in full, then assigned at once: DIGITS calls from several threads.
        _known[:] = [START[0]] + _spread(START, 255)
    return np.array(_known[:count], np.uint8).reshape(-1, 3)


def more(taken, count):
    """Return `count` colours that differ from each other and from those `taken` (n x 3)."""
    taken = np.concatenate((np.reshape(taken, (-1, 3)), START))
    return np.array(_spread(taken, count), np.uint8).reshape(-1, 3)


def _spread(taken, count):
    """Return `count` colours, each the farthest one from `taken` and all previous ones."""
    grid = np.stack(np.meshgrid(GRID, GRID, GRID, indexing="ij"), axis=-1).reshape(-1, 3)
    places = oklab(grid)
    seen = (places[:, 0] >= LIGHTNESS[0]) & (places[:, 0] <= LIGHTNESS[1])
    grid, places = grid[seen], places[seen]
    nearest = np.full(len(grid), np.inf)
    for start in oklab(taken):
        nearest = np.minimum(nearest, ((places - start) ** 2).sum(axis=1))
    chosen = []
    while len(chosen) < count:
        best = int(np.argmax(nearest))
        chosen.append([int(v) for v in grid[best]])
        nearest = np.minimum(nearest, ((places - places[best]) ** 2).sum(axis=1))
    return chosen
