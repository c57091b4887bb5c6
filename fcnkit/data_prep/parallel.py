"""Processes a sequence in several processes; results come in the order of the sequence.

A worker is an object that is called with an item and returns a result, and whose `summary()` is
requested at the end. Items are handed out as workers become free, but results depend on the items
alone, so they do not change with the number of workers.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import traceback
from typing import TYPE_CHECKING, Any

from caffeformat import InputError
from caffeformat.memory import keep_freed_blocks
from caffeformat.processes import importing_safely

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Protocol, TypeVar

    Item = TypeVar("Item")
    Result = TypeVar("Result")
    Summary = TypeVar("Summary")
    ItemIn = TypeVar("ItemIn", contravariant=True)
    ResultOut = TypeVar("ResultOut", covariant=True)
    SummaryOut = TypeVar("SummaryOut", covariant=True)

    class Worker(Protocol[ItemIn, ResultOut, SummaryOut]):
        """What `run_workers` has one of per process."""

        def __call__(self, item: ItemIn, /) -> ResultOut: ...

        def summary(self) -> SummaryOut: ...


# Items per worker that may be waiting, in work, or finished before their turn: enough that workers
# stay busy while this process waits for a processor, few enough that memory is bounded.
_AHEAD = 4


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_workers(
    make_worker: Callable[[], Worker[Item, Result, Summary]],
    items: Iterable[Item],
    workers: int,
    take: Callable[[Result], object],
) -> list[Summary]:
    """Call `take(result)` for each of `items`, in order; returns the workers' summaries.

    `make_worker()` makes a worker in each of `workers` processes (in this process if that is 1)
    and, like items and results, must be picklable if processes are not forked.
    Raises a worker's `InputError` for the first item that fails, and `InputError` if a process
    dies.
    """
    if workers <= 1:
        worker = make_worker()
        for item in items:
            take(worker(item))
        return [worker.summary()]
    crew = [_Helper(make_worker) for _ in range(workers)]
    try:
        _run(crew, items, take)
        return [helper.finish() for helper in crew]
    finally:
        for helper in crew:
            helper.stop()


def _run(crew: Sequence[_Helper], items: Iterable[Any], take: Callable[[Any], object]) -> None:
    numbered = enumerate(items)
    ready: dict[int, tuple[Any, Exception | None]] = {}
    sent = taken = 0
    more = True
    while True:
        while more and sent - taken < _AHEAD * len(crew):
            item = next(numbered, None)
            if item is None:
                more = False
                break
            min(crew, key=lambda helper: helper.pending).send(item)
            sent += 1
        if sent == taken:
            return
        busy = [helper for helper in crew if helper.pending]
        answered = multiprocessing.connection.wait([helper.connection for helper in busy])
        for helper in busy:
            if helper.connection in answered:
                index, result, error = helper.receive()
                ready[index] = result, error
        while taken in ready:
            result, error = ready.pop(taken)
            if error is not None:
                raise error
            take(result)
            taken += 1


class _Helper:
    """A process with a worker in it, and the pipe to it."""

    def __init__(self, make_worker: Callable[[], Worker[Any, Any, Any]]) -> None:
        self.connection, other = multiprocessing.Pipe()
        # A forked process inherits our end of the pipe. While it is open there, the process would
        # not notice that we have ended.
        is_forked = multiprocessing.get_start_method() == "fork"
        our_end = self.connection.fileno() if is_forked else None
        self._process = multiprocessing.Process(
            target=_serve, args=(other, our_end, os.getcwd(), make_worker), daemon=True
        )
        # A forked process imports nothing that its parent would not.
        with contextlib.nullcontext() if is_forked else importing_safely():
            self._process.start()
        other.close()
        self.pending = 0

    def send(self, item: tuple[int, Any]) -> None:
        """Hand over (index, item)."""
        try:
            self.connection.send(item)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise self._ended() from error
        self.pending += 1

    def receive(self) -> tuple[int, Any, Exception | None]:
        """(index, result, error) of an item that was sent."""
        self.pending -= 1
        try:
            index, result, problem = self.connection.recv()
        except (EOFError, ConnectionResetError) as error:
            raise self._ended() from error
        if isinstance(problem, str):
            return index, None, RuntimeError(f"in a worker process:\n{problem}")
        return index, result, problem

    def _ended(self) -> InputError:
        self._process.join()
        return InputError(
            f"a worker process ended unexpectedly (status {self._process.exitcode}); if memory is "
            "short, pass a smaller {option}",
            option="workers",
        )

    def finish(self) -> Any:
        """Request the worker's summary after its last item."""
        self.connection.send(None)
        return self.connection.recv()

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self.connection.close()
        self._process.terminate()
        self._process.join()


def _serve(
    connection: multiprocessing.connection.Connection,
    our_end: int | None,
    folder: str,
    make_worker: Callable[[], Worker[Any, Any, Any]],
) -> None:
    if our_end is not None:
        os.close(our_end)
    os.chdir(folder)
    keep_freed_blocks()  # pixels of images come and go
    # Ctrl-C reaches the whole process group; the first process ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker = make_worker()
    # A broken pipe means that the first process has ended, so nothing can be reported.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        for index, item in iter(connection.recv, None):
            connection.send((index, *_attempt(worker, item)))
        connection.send(worker.summary())


def _attempt(
    worker: Worker[Any, Any, Any], item: Any
) -> tuple[Any, None] | tuple[None, InputError | str]:
    """(result, problem): an `InputError`, or the traceback of any other error."""
    try:
        return worker(item), None
    except InputError as error:
        return None, error
    except Exception:
        return None, traceback.format_exc()
