"""A file to read forward made of blocks, which a thread reads ahead."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class BlockStream:
    """A stream of blocks with `read(size)` and `seek(position)`, which goes forward by reading.

    A thread reads blocks ahead while the caller looks at headers and writes files.
    """

    _AHEAD = 8  # blocks, of up to 4 MB

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks: queue.Queue[bytes | Exception] = queue.Queue(self._AHEAD)
        self._block, self._start, self._position = b"", 0, 0  # _start: where the block begins
        self._closing = False
        self._thread = threading.Thread(target=self._fill, args=(blocks,), daemon=True)
        self._thread.start()

    def _fill(self, blocks: Iterable[bytes]) -> None:
        try:
            for block in blocks:
                self._blocks.put(block)
                if self._closing:
                    return
            self._blocks.put(b"")
        except Exception as error:  # raised where the block is requested
            self._blocks.put(error)

    def _next_block(self) -> bool:
        """Make the next block the current one; False at the end of the stream."""
        self._start += len(self._block)
        self._block = b""
        block = self._blocks.get()
        if isinstance(block, bytes) and block:
            self._block = block
            return True
        self._blocks.put(block)  # for later requests
        if isinstance(block, Exception):
            raise block
        return False

    def seek(self, target: int, /) -> int:
        if target < self._start:
            raise OSError("a compressed archive cannot be read backwards")
        while target > self._start + len(self._block) and self._next_block():
            pass
        self._position = min(target, self._start + len(self._block))
        return self._position

    def read(self, size: int, /) -> bytes:
        parts = []
        while size > 0:
            offset = self._position - self._start
            part = self._block[offset : offset + size]
            if not part and not self._next_block():
                break
            parts.append(part)
            self._position += len(part)
            size -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        self._closing = True
        while self._thread.is_alive():
            with contextlib.suppress(queue.Empty):
                self._blocks.get(timeout=0.01)
