"""Batches made ahead by a thread of their own."""

import queue
import threading
import weakref

_PATIENCE = 0.2  # seconds after which a thread looks whether anybody still wants its items


class Prefetcher:
    """Hands out what a method returns, called up to `depth` times ahead by a thread.

    The thread starts with the first `next()`. It holds the method's object weakly, so that it ends
    with it. What the method raises is raised by `next()`.
    """

    def __init__(self, method, depth):
        self._method, self._depth = weakref.WeakMethod(method), max(1, depth)
        self._queue = None

    def next(self):
        """The next item; waits for it."""
        if self._queue is None:
            self._queue = queue.Queue(self._depth)
            arguments = (self._method, self._queue)
            threading.Thread(target=_produce, args=arguments, daemon=True).start()
        item, error = self._queue.get()
        if error is not None:
            self._queue.put((None, error))  # for whoever asks again
            raise error
        return item


def _produce(weak_method, made):
    while True:
        method = weak_method()
        if method is None:
            return
        try:
            entry = method(), None
        except BaseException as error:
            entry = None, error
        del method
        while weak_method() is not None:
            try:
                made.put(entry, timeout=_PATIENCE)
                break
            except queue.Full:
                continue
        if entry[1] is not None:
            return
