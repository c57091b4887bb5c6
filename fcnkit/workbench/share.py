"""How much of the machine pages may take while jobs run: the jobs go first."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Of all processors, in the long run. Threads of a training wait for the slowest, so that what is
# taken from one processor slows down all.
_SHARE, _LEAST = 0.03, 0.05  # the least is of one processor
_SAVED = 0.5  # seconds of a processor that may be taken at once, after a while without requests
_LONGEST = 1.0  # seconds that a request waits, whatever its share: people wait, too
_NICENESS = 10


class Share:
    """Seconds of a processor for the answers to requests, which grow back slowly.

    `wait` lets a request wait until there are any; `spend` takes what an answer took. Several
    threads may use it. `clock` and `sleep` are those of `time`.
    """

    def __init__(
        self,
        rate: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = max(_LEAST, _SHARE * _processors()) if rate is None else rate
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._left, self._moment = _SAVED, clock()

    def wait(self) -> None:
        """Wait for a turn; requests that come together get theirs one after the other."""
        with self._lock:
            self._grow()
            seconds = max(0.0, -self._left / self._rate)
        if seconds:
            self._sleep(min(seconds, _LONGEST))

    def spend(self, seconds: float) -> None:
        """Take what an answer took of a processor."""
        with self._lock:
            self._grow()
            self._left -= seconds

    def _grow(self) -> None:
        now = self._clock()
        self._left = min(_SAVED, self._left + self._rate * (now - self._moment))
        self._moment = now


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


_thread = threading.local()


def yield_to_jobs() -> None:
    """Lower the priority of the thread that answers a request.

    Only where threads have priorities of their own, as on Linux: jobs are started by another thread
    and keep the usual one.
    """
    if sys.platform != "linux" or getattr(_thread, "yields", False):
        return
    _thread.yields = True
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def lower_session() -> None:
    """Lower the priority of this process's session, where the kernel weighs sessions.

    Then the priorities of threads count within a session only. A session that somebody else began,
    such as that of a terminal, is left as it is; jobs have sessions of their own.
    """
    try:
        if os.getsid(0) != os.getpid():
            return
        with open("/proc/self/autogroup", "w") as file:
            file.write(str(_NICENESS))
    except (AttributeError, OSError):
        pass
