"""Process-wide state of pycaffe: a timer, and how many solvers share the work.

Solvers that share it run in one process each; `solvers.NCCL` joins them.
"""

from __future__ import annotations

import time

from caffeformat import InputError, pb

from . import device


class Timer:
    """Measures the time between `start()` and `stop()`; `ms` holds it in milliseconds."""

    def __init__(self) -> None:
        self._begun: float | None = None
        self.ms = 0.0

    def start(self) -> None:
        """Start measuring, once everything under way on a GPU has finished."""
        _finish()
        self._begun = time.perf_counter()

    def stop(self) -> None:
        """Stop measuring, once everything under way on a GPU has finished."""
        if self._begun is None:
            raise InputError("Timer.stop() needs a start() before it.")
        _finish()
        self.ms, self._begun = (time.perf_counter() - self._begun) * 1000, None


def _finish() -> None:
    device.synchronize(device.current_device())


_count, _rank = 1, 0


def solver_count() -> int:
    """The number of solvers that share the work."""
    return _count


def solver_rank() -> int:
    """This process's rank among the solvers; rank 0, the root, tests, logs and snapshots."""
    return _rank


def set_solver_count(count: int) -> None:
    """Set how many solvers share the work, before nets are built: Data layers split data by it."""
    global _count
    if count < 1:
        raise InputError(f"the number of solvers is {count}; expected 1 or more.")
    _count = int(count)


def set_solver_rank(rank: int) -> None:
    """Set this process's rank among the solvers, before nets are built."""
    global _rank
    if rank < 0:
        raise InputError(f"this solver's rank is {rank}; expected 0 or more.")
    _rank = int(rank)


_sync_batch_norm, _share_tests = False, False


def set_sync_batch_norm(synchronize: bool) -> None:
    """Let BatchNorm layers that are built from now on normalize by the batches of all solvers."""
    global _sync_batch_norm
    _sync_batch_norm = bool(synchronize)


def sync_batch_norm() -> bool:
    """Whether there are several solvers whose BatchNorm layers share their statistics."""
    return _sync_batch_norm and _count > 1


def set_share_tests(share: bool) -> None:
    """Let all solvers test, each on its own batches, and not the root alone, from now on."""
    global _share_tests
    _share_tests = bool(share)


def share_tests() -> bool:
    """Whether each solver tests on its own batches."""
    return _share_tests


def data_turn(phase: int | None) -> tuple[int, int]:
    """Return (rank, solvers) among which the data layers of `phase` deal out what they read.

    In phase TRAIN that is every solver, in TEST only where tests are shared out.
    """
    return (_rank, _count) if phase == pb.TRAIN or _share_tests else (0, 1)


def set_multiprocess(multiprocess: bool) -> None:
    """Do nothing, for pycaffe's sake: here solvers that share the work always have own processes.

    `multiprocess` is ignored.
    """
