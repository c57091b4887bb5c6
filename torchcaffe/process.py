"""What pycaffe asks of the process: a timer, and how many solvers share the work.

Solvers that share it are each alone in a process of their own; `data_parallel` joins them.
"""

import time

from caffeformat import InputError

from . import device


class Timer:
    """Measures what runs between `start()` and `stop()`; `ms` is the time in milliseconds."""

    def __init__(self):
        self._begun, self.ms = None, 0.0

    def start(self):
        """Begin to measure, once what is under way on a GPU has ended."""
        _finish()
        self._begun = time.perf_counter()

    def stop(self):
        """End the measurement, once what is under way on a GPU has ended."""
        if self._begun is None:
            raise InputError("Timer.stop() needs a start() before it.")
        _finish()
        self.ms, self._begun = (time.perf_counter() - self._begun) * 1000, None


def _finish():
    device.synchronize(device.current())


_count, _rank = 1, 0


def solver_count():
    """How many solvers share the work."""
    return _count


def solver_rank():
    """Which of the solvers this process's is, from 0, the root: it tests, logs and snapshots."""
    return _rank


def set_solver_count(count):
    """Say how many solvers share the work, before nets are built: Data layers deal out by it."""
    global _count
    if count < 1:
        raise InputError(f"there are {count} solvers; expected 1 or more.")
    _count = int(count)


def set_solver_rank(rank):
    """Say which of the solvers this process's is, before nets are built."""
    global _rank
    if rank < 0:
        raise InputError(f"this solver's rank is {rank}; expected 0 or more.")
    _rank = int(rank)


def set_multiprocess(multiprocess):
    """Takes what pycaffe's takes: solvers that share the work always have a process each here."""
