"""Sums over pixels that do not depend on the order: exact integers, or floats in double length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class PixelSums:
    """Sums of arrays of one `shape`: of integers in `integer`, or of float32.

    Float sums carry what each addition rounds off (Knuth's two-sum), so that whatever the order is,
    they are the same once they are rounded to float32.
    """

    def __init__(
        self, shape: tuple[int, ...], is_float: bool, integer: type[np.integer[Any]] = np.int64
    ) -> None:
        self._high: NDArray[Any] = np.zeros(shape, np.float64 if is_float else integer)
        self._low = np.zeros(shape, np.float64) if is_float else None

    def add(self, values: NDArray[Any]) -> None:
        """Add an array, of the shape or flat."""
        values = values.reshape(self._high.shape)
        if self._low is None:
            self._high += values
            return
        values = values.astype(np.float64)
        total = self._high + values
        part = total - self._high
        self._low += (self._high - (total - part)) + (values - part)
        self._high = total

    def merge(self, other: PixelSums) -> None:
        """Add the sums of `other`, of the same shape and kind."""
        self.add(other._high)
        if self._low is not None and other._low is not None:
            self._low += other._low

    @property
    def total(self) -> NDArray[Any]:
        """The sums: integers, or float64."""
        return self._high if self._low is None else self._high + self._low
