"""The process's heap while a runtime packs weights."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from caffeformat.memory import keep_freed_blocks, map_blocks_from

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def large_blocks_apart() -> Iterator[None]:
    """Within, blocks of 1 MiB and more are mapped one by one, so that freed ones go back.

    glibc puts blocks of up to 32 MiB into the heap once one was freed: copies of weights that come
    and go then leave holes, by chance as many as all weights have bytes. Nothing with other
    libraries.
    """
    map_blocks_from(1 << 20)
    try:
        yield
    finally:
        keep_freed_blocks()
