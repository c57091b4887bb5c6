"""Work that is done in a thread while its caller does something else, in order."""

from __future__ import annotations

import collections
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from concurrent.futures import Future

Item = TypeVar("Item")
Made = TypeVar("Made")


def ahead(
    work: Callable[[Item], Made], items: Iterable[Item], most: int = 2, threads: int = 1
) -> Generator[Made, None, None]:
    """`work(item)` of each of `items`, in their order, computed in `threads` of its own.

    Up to `most` items are under way or wait for the caller, so that memory stays bounded. `items`
    is advanced by the caller's thread. An exception is raised where its item's turn comes, one of
    `items` itself after the results of the items before it; whoever stops early waits for the items
    under way.
    """
    waiting: collections.deque[Future[Made]] = collections.deque()
    pool = ThreadPoolExecutor(threads)
    failure: Exception | None = None
    try:
        coming = iter(items)
        while True:
            try:
                item = next(coming)
            except StopIteration:
                break
            except Exception as error:
                failure = error
                break
            waiting.append(pool.submit(work, item))
            if len(waiting) >= most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        if failure is not None:
            raise failure
    finally:
        for future in waiting:
            future.cancel()
        pool.shutdown(wait=True)
        close = getattr(items, "close", None)  # a generator's own work ahead ends here, too
        if close is not None:
            close()
