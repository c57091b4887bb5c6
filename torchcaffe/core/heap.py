"""The process's heap, from which tensors on the CPU are allocated."""

from __future__ import annotations

import ctypes
import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@functools.cache
def _malloc_trim() -> Callable[[int], int] | None:
    """Return glibc's function, or None with another library."""
    try:
        function: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return function


def trim_heap() -> None:
    """Give memory that was freed back to the system, which glibc otherwise keeps in pieces."""
    trim = _malloc_trim()
    if trim is not None:
        trim(0)
