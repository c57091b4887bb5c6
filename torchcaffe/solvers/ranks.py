"""Rank processes: several processes share one task, started, watched and ended together."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
import traceback
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from caffeformat import InputError
from caffeformat.processes import importing_safely

from .signals import NONE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    Lines = dict[Connection, int]  # the connection to each process still running -> its rank

_POLL = 0.2  # seconds between two looks at whether an action was requested
_GRACE = 5.0  # seconds that a process gets to end when told to
_ECHO = 1.0  # seconds within which other processes follow one that failed


def run_ranks(
    work: Callable[..., object],
    count: int,
    arguments: Sequence[object],
    requested: Callable[[], str] = lambda: NONE,
) -> None:
    """Run `work(rank, requested, *arguments)` in `count` processes, rank 0 to count - 1.

    Returns when all have returned. If one fails the others are ended, and its error is raised here:
    its `InputError`, or a RuntimeError with its traceback. If this process ends, the others do.

    `requested` is polled for an action, which is passed on to rank 0, whose own `requested()`
    returns it. The processes themselves ignore SIGINT and SIGHUP.
    """
    context = multiprocessing.get_context("spawn")
    processes: list[SpawnProcess] = []
    lines: Lines = {}
    try:
        folder = os.getcwd()
        with _ignored_signals(), importing_safely():
            for rank in range(count):
                mine, theirs = context.Pipe()
                process = context.Process(
                    target=_run_rank, args=(work, rank, theirs, folder, arguments)
                )
                process.start()
                theirs.close()  # so that the connection breaks when the process ends
                processes.append(process)
                lines[mine] = rank
        root = next(iter(lines))
        while lines:
            failures = _failures(lines, processes, _POLL)
            if failures:
                _raise_cause(failures, lines, processes)
            action = requested()
            if action != NONE and root in lines:
                with contextlib.suppress(BrokenPipeError):  # it has just ended and reported why
                    root.send(action)
        _wait_for(processes)
    finally:
        _end(processes)


@contextlib.contextmanager
def _ignored_signals() -> Iterator[None]:
    """Make processes started meanwhile ignore SIGINT and SIGHUP from their first moment on."""
    numbers = signal.SIGINT, signal.SIGHUP
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Failure:
    """Why a process ended early. `order` sorts causes before their consequences."""

    def __init__(self, error: Exception, order: int, when: float) -> None:
        self.error, self.order = error, (order, when)


def _report(line: Connection, rank: int, processes: list[SpawnProcess]) -> _Failure | None:
    """Return the `_Failure` with which the process of `rank` ended, or None if it succeeded."""
    try:
        report = line.recv()
    except (EOFError, OSError):  # it ended without a report
        processes[rank].join()
        status = processes[rank].exitcode or 0  # never None after join()
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        error = InputError(f"the process of solver {rank} ended {how}; the training run stopped.")
        return _Failure(error, 1, time.monotonic())
    if report is None:
        return None
    is_input_error, text, when = report
    if is_input_error:
        return _Failure(InputError(text), 0, when)
    return _Failure(RuntimeError(f"solver {rank} failed:\n{text}"), 2, when)


def _failures(lines: Lines, processes: list[SpawnProcess], patience: float) -> list[_Failure]:
    """Take the reports that come within `patience` seconds; return the failures among them."""
    ready = set(wait(list(lines), patience))
    reports = [_report(line, lines.pop(line), processes) for line in list(lines) if line in ready]
    return [report for report in reports if report is not None]


def _raise_cause(failures: list[_Failure], lines: Lines, processes: list[SpawnProcess]) -> None:
    """Raise the error behind `failures`: a process that lost the others may have reported first."""
    deadline = time.monotonic() + _ECHO
    while lines and time.monotonic() < deadline:
        failures += _failures(lines, processes, max(0, deadline - time.monotonic()))
    raise min(failures, key=lambda failure: failure.order).error


def _end(processes: list[SpawnProcess]) -> None:
    for process in processes:
        process.terminate()
    _wait_for(processes)
    for process in processes:
        process.kill()
        process.join()


def _wait_for(processes: list[SpawnProcess]) -> None:
    deadline = time.monotonic() + _GRACE
    for process in processes:
        process.join(max(0, deadline - time.monotonic()))


def _run_rank(
    work: Callable[..., object],
    rank: int,
    line: Connection,
    folder: str,
    arguments: Sequence[object],
) -> None:
    """Do the work in the process of `rank`, and report its failure, or None, over `line`."""
    os.chdir(folder)
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def requested() -> str:
        return str(line.recv()) if line.poll() else NONE

    report: tuple[bool, str, float] | None = None  # whether it is an InputError, its text, when
    try:
        work(rank, requested, *arguments)
    except (InputError, OSError) as error:
        report = True, str(error), time.monotonic()
    except BaseException:
        report = False, traceback.format_exc(), time.monotonic()
    line.send(report)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # only ever called in a process that was started
    wait([parent.sentinel])
    os._exit(1)
