"""Mapped weights files: releases their pages once the numbers were copied."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIECE = 1 << 22  # values copied at a time: 16 MiB


def move_out(array: NDArray[np.float32], target: NDArray[np.float32]) -> None:
    """Copy `array` into `target`, which has as many values, piece by piece.

    If `array` views a mapped file, each piece leaves memory as soon as it is copied, so that a
    net and the file it is loaded from are never in memory together.
    """
    source, values = array.reshape(-1), target.reshape(-1)
    for start in range(0, len(source), PIECE):
        piece = source[start : start + PIECE]
        values[start : start + PIECE] = piece
        forget_pages(piece)


def forget_pages(array: NDArray[np.float32]) -> None:
    """Drop the pages behind `array` from this process's memory, if it views a mapped file.

    Nothing is lost: the next access reads them from the file again.
    """
    if array.flags.writeable:  # a private copy may hold what the file does not
        return
    owner: Any = array  # then whatever owns its memory: arrays, a memoryview, at last the mapping
    while owner is not None and not isinstance(owner, mmap.mmap):
        owner = owner.obj if isinstance(owner, memoryview) else getattr(owner, "base", None)
    if owner is None or not hasattr(owner, "madvise"):
        return
    begin = array.ctypes.data - np.frombuffer(owner, np.uint8).ctypes.data
    page = mmap.PAGESIZE
    start, stop = -(-begin // page) * page, (begin + array.nbytes) // page * page
    if stop > start:
        owner.madvise(mmap.MADV_DONTNEED, start, stop - start)
