"""The process's heap while a runtime packs weights."""

from __future__ import annotations

import contextlib
import ctypes
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# glibc's parameters, and its own limits once it has adjusted them
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_MOST_TRIM, _MOST_MMAP = 64 << 20, 32 << 20


@contextlib.contextmanager
def large_blocks_apart() -> Iterator[None]:
    """Within, blocks of 1 MiB and more are mapped one by one, so that freed ones go back.

    glibc puts blocks of up to 32 MiB into the heap once one was freed: copies of weights that come
    and go then leave holes, by chance as many as all weights have bytes. Nothing with other
    libraries.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        yield
        return
    mallopt(_MMAP_THRESHOLD, 1 << 20)
    try:
        yield
    finally:
        mallopt(_MMAP_THRESHOLD, _MOST_MMAP)
        mallopt(_TRIM_THRESHOLD, _MOST_TRIM)
