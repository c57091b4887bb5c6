"""Processes that do one work together, a rank each: started, watched and ended together."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
import traceback
from multiprocessing.connection import wait

from caffeformat import InputError

from .signals import NONE

_LOOK = 0.2  # seconds after which it is looked whether somebody asked for something
_GRACE = 5.0  # seconds in which a process that is told to end may do so
_ECHO = 1.0  # seconds within which others follow one that failed


def run_ranks(work, count, arguments, requested=lambda: NONE):
    """Run `work(rank, requested, *arguments)` in `count` processes, rank 0 to count - 1.

    Returns when all have returned. Where one ends otherwise the others are ended, and what it
    raised is raised here: its `InputError`, or a RuntimeError with its traceback. If this process
    ends, the others do.

    `requested` is asked again and again for an action, and what it says is told to rank 0, whose
    own `requested()` returns it. The processes themselves heed neither SIGINT nor SIGHUP.
    """
    context = multiprocessing.get_context("spawn")
    processes, lines = [], {}
    try:
        with _ignored_signals():
            for rank in range(count):
                mine, theirs = context.Pipe()
                process = context.Process(target=_run_rank, args=(work, rank, theirs, arguments))
                process.start()
                theirs.close()  # so that the line breaks when the process ends
                processes.append(process)
                lines[mine] = rank
        root = next(iter(lines))
        while lines:
            failures = _failures(lines, processes, _LOOK)
            if failures:
                _raise_cause(failures, lines, processes)
            action = requested()
            if action != NONE and root in lines:
                with contextlib.suppress(BrokenPipeError):  # it has just ended, and has told why
                    root.send(action)
        _wait_for(processes)
    finally:
        _end(processes)


@contextlib.contextmanager
def _ignored_signals():
    """Processes started meanwhile ignore SIGINT and SIGHUP from their first moment on."""
    numbers = signal.SIGINT, signal.SIGHUP
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Failure:
    """Why a process ended too early. `order` sorts causes before what follows from them."""

    def __init__(self, error, order, when):
        self.error, self.order = error, (order, when)


def _report(line, rank, processes):
    """The `_Failure` that the process of `rank` ended with, or None where all is well."""
    try:
        report = line.recv()
    except (EOFError, OSError):  # it ended without a word
        processes[rank].join()
        status = processes[rank].exitcode
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        error = InputError(f"the process of solver {rank} ended {how}, and with it the training.")
        return _Failure(error, 1, time.monotonic())
    if report is None:
        return None
    is_input_error, text, when = report
    if is_input_error:
        return _Failure(InputError(text), 0, when)
    return _Failure(RuntimeError(f"solver {rank} failed:\n{text}"), 2, when)


def _failures(lines, processes, patience):
    """Take the next reports, if any come within `patience` seconds; the failures among them."""
    ready = wait(list(lines), patience)
    reports = [_report(line, lines.pop(line), processes) for line in ready]
    return [report for report in reports if report is not None]


def _raise_cause(failures, lines, processes):
    """Raise the error behind `failures`: one that lost the others may have told so before them."""
    deadline = time.monotonic() + _ECHO
    while lines and time.monotonic() < deadline:
        failures += _failures(lines, processes, max(0, deadline - time.monotonic()))
    raise min(failures, key=lambda failure: failure.order).error


def _end(processes):
    for process in processes:
        process.terminate()
    _wait_for(processes)
    for process in processes:
        process.kill()
        process.join()


def _wait_for(processes):
    deadline = time.monotonic() + _GRACE
    for process in processes:
        process.join(max(0, deadline - time.monotonic()))


def _run_rank(work, rank, line, arguments):
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def requested():
        return line.recv() if line.poll() else NONE

    report = None
    try:
        work(rank, requested, *arguments)
    except (InputError, OSError) as error:
        report = True, str(error), time.monotonic()
    except BaseException:
        report = False, traceback.format_exc(), time.monotonic()
    line.send(report)


def _end_with_parent():
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
