"""Work on a sequence in several processes, results in the sequence's order.

A worker is an object that is called with an item, returns a result, and whose `summary()` is asked
for at the end. Items are handed out as workers get free, but what comes out depends on the items
alone, so results do not change with the number of workers.
"""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import traceback

from caffeformat import InputError

# Items, a worker, that may be waiting, in work, or finished before their turn. So many that workers
# do not run dry when this process has to wait for a processor, so few that memory is bounded.
_AHEAD = 4


def processors():
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_workers(make_worker, items, workers, take):
    """Call `take(result)` for each of `items`, in order; returns the workers' summaries.

    `make_worker()` makes a worker in each of `workers` processes (in this one, where that is 1)
    and, like items and results, must be picklable where processes are not forked.
    Raises `InputError` as workers do, for the first item that fails, and where a process dies.
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


def _run(crew, items, take):
    items = enumerate(items)
    ready = {}
    sent = taken = 0
    more = True
    while True:
        while more and sent - taken < _AHEAD * len(crew):
            item = next(items, None)
            if item is None:
                more = False
                break
            min(crew, key=lambda helper: helper.pending).send(item)
            sent += 1
        if sent == taken:
            return
        busy = {helper.connection: helper for helper in crew if helper.pending}
        for connection in multiprocessing.connection.wait(list(busy)):
            index, outcome = busy[connection].receive()
            ready[index] = outcome
        while taken in ready:
            result, error = ready.pop(taken)
            if error is not None:
                raise error
            take(result)
            taken += 1


class _Helper:
    """A process with a worker in it, and the pipe to it."""

    def __init__(self, make_worker):
        self.connection, other = multiprocessing.Pipe()
        # A forked process has our end of the pipe too. As long as it is open there, the process
        # would not notice that we are gone.
        is_forked = multiprocessing.get_start_method() == "fork"
        our_end = self.connection.fileno() if is_forked else None
        self._process = multiprocessing.Process(
            target=_serve, args=(other, our_end, make_worker), daemon=True
        )
        self._process.start()
        other.close()
        self.pending = 0

    def send(self, item):
        """Hand over (index, item)."""
        try:
            self.connection.send(item)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise self._ended() from error
        self.pending += 1

    def receive(self):
        """(index, (result, error)) of an item that was sent."""
        self.pending -= 1
        try:
            index, result, problem, is_input_error = self.connection.recv()
        except (EOFError, ConnectionResetError) as error:
            raise self._ended() from error
        if problem is None:
            return index, (result, None)
        if is_input_error:
            return index, (None, InputError(problem))
        return index, (None, RuntimeError(f"in a worker process:\n{problem}"))

    def _ended(self):
        self._process.join()
        return InputError(
            f"a worker process ended unexpectedly (status {self._process.exitcode}); if memory is "
            f"short, try fewer workers"
        )

    def finish(self):
        """The worker's summary, after its last item."""
        self.connection.send(None)
        return self.connection.recv()

    def stop(self):
        """End the process, whatever it is doing."""
        self.connection.close()
        self._process.terminate()
        self._process.join()


def _serve(connection, our_end, make_worker):
    if our_end is not None:
        os.close(our_end)
    # Ctrl-C reaches the whole group of processes; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker = make_worker()
    # A broken pipe means that the first process is gone: there is nobody left to tell.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        for index, item in iter(connection.recv, None):
            connection.send((index, *_attempt(worker, item)))
        connection.send(worker.summary())


def _attempt(worker, item):
    """(result, problem, whether the problem is an `InputError`)."""
    try:
        return worker(item), None, False
    except InputError as error:
        return None, str(error), True
    except Exception:
        return None, traceback.format_exc(), False
