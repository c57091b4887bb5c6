"""Letting go of the pages of a mapped weights file once its numbers were copied."""

import mmap

import numpy as np

PIECE = 1 << 22  # values copied at a time: 16 MiB


def move_out(array, target):
    """Copy `array` into `target` (as many float32 values), piece by piece.

    Where `array` views a mapped file each piece leaves memory as soon as it is copied, so that a
    net and the file it is loaded from are never in memory together.
    """
    source, values = array.reshape(-1), target.reshape(-1)
    for start in range(0, len(source), PIECE):
        piece = source[start : start + PIECE]
        values[start : start + PIECE] = piece
        forget_pages(piece)


def forget_pages(array):
    """Take the pages behind `array` out of this process's memory, where it views a mapped file.

    Nothing is lost: whoever looks at them again has them read from the file again.
    """
    if array.flags.writeable:  # a private copy may hold what the file does not
        return
    owner = array
    while owner is not None and not isinstance(owner, mmap.mmap):
        owner = owner.obj if isinstance(owner, memoryview) else getattr(owner, "base", None)
    if owner is None or not hasattr(owner, "madvise"):
        return
    begin = array.ctypes.data - np.frombuffer(owner, np.uint8).ctypes.data
    page = mmap.PAGESIZE
    start, stop = -(-begin // page) * page, (begin + array.nbytes) // page * page
    if stop > start:
        owner.madvise(mmap.MADV_DONTNEED, start, stop - start)
