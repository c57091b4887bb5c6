"""Batches for nets that take only some sizes of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caffeformat import InputError
from fcnkit.nets import window_starts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .batches import BatchLoader

    Batch = tuple[NDArray[np.float32], NDArray[np.float32]]


class FittedLoader:
    """A `BatchLoader` whose images get sizes that a net takes.

    steps    (step, offset) of heights and of widths: they are padded, at the bottom and at the
             right, to the next step k + offset. With a step of 0 the offset alone is taken, and
             larger images become several in the batch: overlapping windows, in each of which the
             labels of pixels that are nearer to the middle of another one are `ignore`, so that
             every pixel counts once
    ignore   the label of padding; the data's is 0, which is the mean colour
    """

    def __init__(self, loader: BatchLoader, steps: Sequence[Sequence[int]], ignore: int) -> None:
        self._loader, self._ignore = loader, ignore
        try:
            down, across = ((int(step), int(offset)) for step, offset in steps)
        except (TypeError, ValueError):
            raise InputError(
                f"steps {steps!r}: expected [[step, offset], [step, offset]] of heights and widths"
            ) from None
        self._steps = down, across

    def next(self) -> Batch:
        """(data, labels) of the next batch; raises what reading its images raised."""
        data, labels = self._loader.next()
        shape = data.shape[2:]
        size = tuple(_fitted(length, *step) for length, step in zip(shape, self._steps))
        if size == shape:
            return data, labels
        parts = [
            (rows, columns)
            for rows in _parts(shape[0], size[0])
            for columns in _parts(shape[1], size[1])
        ]
        made = np.zeros((len(data), len(parts), data.shape[1], *size), np.float32)
        truth = np.full((len(data), len(parts), labels.shape[1], *size), self._ignore, np.float32)
        for number, (rows, columns) in enumerate(parts):
            window = data[:, :, rows.begin : rows.end, columns.begin : columns.end]
            made[:, number, :, : window.shape[2], : window.shape[3]] = window
            truth[
                :,
                number,
                :,
                rows.first - rows.begin : rows.last - rows.begin,
                columns.first - columns.begin : columns.last - columns.begin,
            ] = labels[:, :, rows.first : rows.last, columns.first : columns.last]
        return made.reshape(-1, *made.shape[2:]), truth.reshape(-1, *truth.shape[2:])

    def close(self) -> None:
        """Stop the background threads; batches in the making are finished first."""
        self._loader.close()


class _Part(NamedTuple):
    """A window along an axis, and the pixels in it that count."""

    begin: int
    end: int
    first: int
    last: int


def _fitted(length: int, step: int, offset: int) -> int:
    return offset if step == 0 else length + (offset - length) % step


def _parts(length: int, window: int) -> list[_Part]:
    """The windows along an axis; two that overlap divide it in the middle."""
    starts = window_starts(length, window)
    middles = [(a + b + window) // 2 for a, b in zip(starts, starts[1:])]
    return [
        _Part(at, min(at + window, length), first, last)
        for at, first, last in zip(starts, [0, *middles], [*middles, length])
    ]
