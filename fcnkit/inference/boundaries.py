"""Boundary IoU: how well the borders of the classes fit, whatever the size of their regions.

Cheng, Girshick, Dollar, Berg and Kirillov, "Boundary IoU: Improving Object-Centric Image
Segmentation Evaluation", CVPR 2021, equation 2. With G and P the pixels of a class in the label and
in the prediction, and G_d and P_d those of them that lie within d pixels of the region's border:

    boundary IoU = |G_d intersected with P_d| / |G_d united with P_d|

As in the authors' program, d is 2 % of the image's diagonal, rounded, at least 1; distances are
the larger of the horizontal and the vertical one; and the edges of the image are borders, too. Both
counts are summed over all images before they are divided, as for the mean IoU.

Pixels whose label is ignored belong to no region of the prediction either, so that a prediction
which is right at every counted pixel has a boundary IoU of 1 in every class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARE = 0.02  # of the diagonal


class BoundaryCounts:
    """Pixels near the borders of `n` classes, summed over images.

    `common` and `either` are int64 of n: the sizes of the intersections and of the unions.
    """

    def __init__(self, n: int, ignore: int | None = 255) -> None:
        self.n, self.ignore = n, ignore
        self.common: NDArray[np.int64] = np.zeros(n, np.int64)
        self.either: NDArray[np.int64] = np.zeros(n, np.int64)

    def update(self, prediction: NDArray[Any], label: NDArray[Any]) -> None:
        """Count one image: H x W class indices each, below `n` or ignored in the label."""
        counted = np.ones(label.shape, bool) if self.ignore is None else label != self.ignore
        wide = max(1, round(SHARE * float(np.hypot(*label.shape))))
        made, true = (
            np.where(counted, np.asarray(array, np.int32), np.int32(-1))
            for array in (prediction, label)
        )
        near_made, near_true = (near_border(array, wide) & counted for array in (made, true))
        common = self._per_class(true, near_true & near_made & (made == true))
        self.common += common
        self.either += self._per_class(made, near_made) + self._per_class(true, near_true) - common

    def __iadd__(self, other: BoundaryCounts) -> BoundaryCounts:
        """Add the counts of other images."""
        self.common += other.common
        self.either += other.either
        return self

    @property
    def iou(self) -> NDArray[np.float64]:
        """The boundary IoU of each class, float64; NaN for classes that occur nowhere."""
        result = np.full(self.n, np.nan)
        np.divide(self.common, self.either, out=result, where=self.either > 0)
        return result

    @property
    def mean_iou(self) -> float:
        """Mean of `iou` over the classes that occur; NaN where there are none."""
        found = self.iou[self.either > 0]
        return float(found.mean()) if found.size else float("nan")

    def _per_class(self, classes: NDArray[np.int32], chosen: NDArray[np.bool_]) -> NDArray[Any]:
        return np.bincount(classes[chosen], minlength=self.n)


def near_border(classes: NDArray[np.int32], wide: int) -> NDArray[np.bool_]:
    """Which pixels of H x W classes have another class, or no pixel, at most `wide` pixels away."""
    height, width = classes.shape
    # A square is of one class where no two neighbours in it differ: sums over it count those.
    across = np.zeros((height, width), bool)
    across[:, :-1] = classes[:, 1:] != classes[:, :-1]
    down = np.zeros((height, width), bool)
    down[:-1] = classes[1:] != classes[:-1]
    near = np.ones((height, width), bool)
    rows, columns = height - 2 * wide, width - 2 * wide
    if rows < 1 or columns < 1:
        return near
    side = 2 * wide + 1
    differing = _square_sums(across, side, side - 1)[:rows, :columns]
    differing += _square_sums(down, side - 1, side)[:rows, :columns]
    near[wide : wide + rows, wide : wide + columns] = differing > 0
    return near


def _square_sums(values: NDArray[np.bool_], height: int, width: int) -> NDArray[np.int32]:
    """Sums over all rectangles of `height` x `width` that lie in `values`, by their first pixel.

    The result has the shape of `values` less `height` - 1 rows and `width` - 1 columns.
    """
    sums = np.zeros((values.shape[0] + 1, values.shape[1] + 1), np.int32)
    np.cumsum(np.cumsum(values, 0, dtype=np.int32), 1, out=sums[1:, 1:])
    return (
        sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width]
        + sums[:-height, :-width]
    )  # fmt: skip
