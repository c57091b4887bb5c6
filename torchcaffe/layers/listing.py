"""Files that a text file lists: in order or shuffled, round after round."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from .data import ROUND, SETUP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .data import BatchLayer

_T = TypeVar("_T")


class Rounds(Generic[_T]):
    """Entries one after the other, over and over again; with `shuffle` in a new order each round.

    `rand_skip` leaves out a random number of entries, below it, at the beginning. Random numbers
    are those of `layer`, so that what comes depends on its seed and the position alone.
    """

    def __init__(
        self, layer: BatchLayer, entries: Sequence[_T], *, shuffle: bool, rand_skip: int
    ) -> None:
        self.entries, self._layer, self._shuffle = entries, layer, shuffle
        # Counts on through all rounds; a round's order is made when it begins.
        self.position = int(layer.draws(SETUP).integers(rand_skip)) if rand_skip else 0
        self._round, self._order = -1, np.arange(0)

    def next(self) -> _T:
        """Take the next entry."""
        number, place = divmod(self.position, len(self.entries))
        if number != self._round:
            self._round, self._order = number, self._make_order(number)
        self.position += 1
        return self.entries[self._order[place]]

    def _make_order(self, number: int) -> NDArray[np.int64]:
        """Make the order of a round, as indices of entries."""
        count = len(self.entries)
        if self._shuffle:
            return self._layer.draws(ROUND, number).permutation(count)
        return np.arange(count)


def listed_path(root_folder: str, name: str) -> str:
    """The path of a file that a list names `name`.

    As in Caffe the root folder goes before it as it is: lists of VOC begin their names with `/`.
    """
    if not root_folder or root_folder.endswith(os.sep) or name.startswith(os.sep):
        return root_folder + name
    return os.path.join(root_folder, name)
