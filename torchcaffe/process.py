"""What pycaffe asks of the process: a timer, and how many solvers share the work.

A solver of this engine works alone in its process; what would need several says so.
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


def solver_count():
    """How many solvers share the work: one."""
    return 1


def solver_rank():
    """Which of the solvers this one is: 0."""
    return 0


def has_nccl():
    """Whether NCCL joins the solvers of several GPUs: it does not."""
    return False


def set_solver_count(count):
    """Takes 1; several solvers are an `InputError`."""
    if count != 1:
        raise _alone(f"set_solver_count({count})")


def set_solver_rank(rank):
    """Takes 0; ranks of other solvers are an `InputError`."""
    if rank != 0:
        raise _alone(f"set_solver_rank({rank})")


def set_multiprocess(multiprocess):
    """Takes False; several processes are an `InputError`."""
    if multiprocess:
        raise _alone("set_multiprocess(True)")


class NCCL:
    """Refused: it joins the solvers of several GPUs."""

    def __init__(self, solver, uid):
        raise _alone("NCCL")


def _alone(what):
    return InputError(
        f"{what}: training on several GPUs by pycaffe's NCCL is not part of this engine; a solver "
        "works alone. For a larger batch on one GPU set iter_size."
    )
