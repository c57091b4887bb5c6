"""Prefetching: a thread makes batches ahead of their use."""

from __future__ import annotations

import queue
import threading
import weakref
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE = 0.2  # seconds after which a thread checks whether anybody still wants its items

Item = TypeVar("Item")


class _Raised:
    """What the method raised instead of returning an item."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Prefetcher(Generic[Item]):
    """Hands out what a method returns, called up to `depth` times ahead by a thread.

    The thread starts with the first `next()`. It holds the method's object weakly and ends with it.
    What the method raises is raised by `next()`.
    """

    def __init__(self, method: Callable[[], Item], depth: int) -> None:
        self._method: weakref.WeakMethod[Callable[[], Item]] = weakref.WeakMethod(method)
        self._depth = max(1, depth)
        self._queue: queue.Queue[Item | _Raised] | None = None

    def next(self) -> Item:
        """Wait for the next item and return it."""
        if self._queue is None:
            self._queue = queue.Queue(self._depth)
            arguments = (self._method, self._queue)
            threading.Thread(target=_produce, args=arguments, daemon=True).start()
        made = self._queue.get()
        if isinstance(made, _Raised):
            self._queue.put(made)  # raised again by the next call
            raise made.error
        return made


def _produce(
    weak_method: weakref.WeakMethod[Callable[[], Item]], queue_: queue.Queue[Item | _Raised]
) -> None:
    """Put what the method returns into `queue_` until its object is gone or it raises."""
    made: Item | _Raised
    while True:
        method = weak_method()
        if method is None:
            return
        try:
            made = method()
        except BaseException as error:
            made = _Raised(error)
        del method
        while weak_method() is not None:
            try:
                queue_.put(made, timeout=_PATIENCE)
                break
            except queue.Full:
                continue
        if isinstance(made, _Raised):
            return
