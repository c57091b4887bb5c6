"""Rank processes: several processes share one task, started and watched by torchrun's launcher.

    run_ranks ---- launcher ---- rank 0, rank 1, ...      (processes; who starts whom)
        '---------------------------'                     (a line to each rank)

The launcher is PyTorch's elastic agent, what `torchrun` runs: it starts the ranks, and starts them
all again where one has ended, as often as it may. What they have to say goes over the lines.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from multiprocessing.connection import Client, Connection, Listener, wait
from typing import TYPE_CHECKING, Any

from caffeformat import InputError
from caffeformat.files import read_bytes
from caffeformat.processes import run_module, safe_path_variable

from .signals import NONE, STOP

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_POLL = 0.2  # seconds between two looks at whether an action was requested
_GRACE = 10.0  # seconds that the launcher gets to end the ranks
JOB, FAILURES = "job", "failures"  # files in the folder that launcher and ranks are told of


class Line:
    """A rank's line to the process that called `run_ranks`."""

    def __init__(self, rank: int, line: Connection) -> None:
        self.rank, self._line = rank, line

    def requested(self) -> str:
        """Return the action that was requested meanwhile, in rank 0; NONE in the others."""
        return str(self._line.recv()) if self._line.poll() else NONE

    def tell(self, message: object) -> None:
        """Hand `message` to the `heard` of `run_ranks`."""
        self._line.send(("told", message))


def run_ranks(
    work: Callable[..., Any],
    count: int,
    arguments: Sequence[object],
    requested: Callable[[], str] = lambda: NONE,
    *,
    restarts: int = 0,
    heard: Callable[[Any], object] = lambda message: None,
) -> Any:
    """Run `work(line, *arguments)` in `count` processes; each gets its `Line`.

    work        a module's function, which calls `join`; it and the arguments are pickled
    requested   polled for an action, which is passed on to rank 0
    restarts    how often all ranks are started again because one has ended
    heard       gets what the ranks tell

    Returns what rank 0 returned, when all have returned. If one raises an error the others are
    ended, and it is raised here: its `InputError`, or a RuntimeError with its traceback. If this
    process ends, the others do. The ranks ignore SIGINT and SIGHUP.
    """
    key = secrets.token_bytes(32)
    with (
        tempfile.TemporaryDirectory(prefix="torchcaffe-") as folder,
        Listener(("127.0.0.1", 0), backlog=count, authkey=key) as listener,
    ):
        with open(os.path.join(folder, JOB), "wb") as file:
            os.chmod(file.fileno(), 0o600)
            pickle.dump((os.getcwd(), listener.address, key, pickle.dumps((work, arguments))), file)
        lines = _Lines(listener, key)
        launcher = _launch(folder, count, restarts)
        try:
            return _watch(launcher, lines, folder, requested, heard)
        finally:
            _end(launcher)
            lines.close()


class _Lines:
    """The lines of the ranks that run now; a thread accepts those of ranks that come."""

    def __init__(self, listener: Listener, key: bytes) -> None:
        self._listener, self._key = listener, key
        self.ranks: dict[Connection, int] = {}
        self._stopping: set[Connection] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._is_closed = False
        self._thread.start()

    def _accept(self) -> None:
        while not self._is_closed:
            with contextlib.suppress(Exception):  # a rank that ended meanwhile, or a stranger
                line = self._listener.accept()
                self.ranks[line] = line.recv()

    def messages(self) -> list[tuple[int, tuple[Any, ...] | None]]:
        """Wait a moment; return what ranks have sent, as (rank, message), None for their end."""
        found: list[tuple[int, tuple[Any, ...] | None]] = []
        lines = list(self.ranks)
        if not lines:
            time.sleep(_POLL)
        for line in wait(lines, _POLL) if lines else ():
            assert isinstance(line, Connection)  # nothing else is waited for
            rank = self.ranks[line]
            try:
                found.append((rank, line.recv()))
            except (EOFError, OSError):
                del self.ranks[line]
                found.append((rank, None))
        return found

    def ask(self, action: str) -> bool:
        """Ask rank 0 for `action`, if it is there; returns whether it is. Each is stopped once."""
        roots = [line for line, rank in list(self.ranks.items()) if rank == 0]
        for line in roots:
            if action == STOP:
                if line in self._stopping:
                    continue
                self._stopping.add(line)
            with contextlib.suppress(OSError):  # it has just ended
                line.send(action)
        return bool(roots)

    def close(self) -> None:
        self._is_closed = True
        with contextlib.suppress(Exception):
            Client(self._listener.address, authkey=self._key).close()  # wakes the thread
        for line in list(self.ranks):
            line.close()


def _launch(folder: str, count: int, restarts: int) -> subprocess.Popen[bytes]:
    """Start the launcher; it ends when its input does."""
    environment = {**os.environ, "PYTHONPATH": safe_path_variable(), "PYTHONSAFEPATH": "1"}
    environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    environment.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    environment["LOGLEVEL"] = "CRITICAL"  # of PyTorch's agent, whose failures are reported here
    command = [sys.executable, *run_module("torchcaffe.solvers")]
    return subprocess.Popen(
        [*command, "launch", folder, str(count), str(restarts)],
        stdin=subprocess.PIPE,
        env=environment,
        start_new_session=True,  # Ctrl-C reaches this process alone
    )


def _watch(
    launcher: subprocess.Popen[bytes],
    lines: _Lines,
    folder: str,
    requested: Callable[[], str],
    heard: Callable[[Any], object],
) -> Any:
    """Pass messages on until the launcher has ended; return what rank 0 returned."""
    result, is_done, asked = None, False, NONE
    while True:
        has_ended = launcher.poll() is not None
        messages = lines.messages()
        for rank, message in messages:
            kind, *values = message or ("",)
            if kind == "told":
                heard(values[0])
            elif kind == "error":
                raise InputError(values[0], options=values[1])
            elif kind == "bug":
                raise RuntimeError(f"solver {rank} failed:\n{values[0]}")
            elif kind == "done" and rank == 0:
                result, is_done = values[0], True
        if has_ended and not messages:
            break
        # Rank 0 may not have come yet, or come again after it was asked to stop.
        action = requested()
        if action != NONE and asked != STOP:
            asked = action
        if asked != NONE and lines.ask(asked) and asked != STOP:
            asked = NONE
    if launcher.returncode or not is_done:
        raise _explain_failure(folder)
    return result


def _explain_failure(folder: str) -> InputError:
    try:
        # A text of our own, in a folder that only this user reads
        text = read_bytes(os.path.join(folder, FAILURES), 1000).decode()
        rank, status = map(int, text.split())
    except (InputError, OSError, ValueError):
        return InputError("the training run's processes could not be started, or were ended.")
    how = f"by signal {-status}" if status < 0 else f"with status {status}"
    return InputError(f"the process of solver {rank} ended {how}; the training run stopped.")


def _end(launcher: subprocess.Popen[bytes]) -> None:
    """End the launcher, and by it the ranks."""
    if launcher.poll() is None:
        launcher.terminate()
    try:
        launcher.wait(_GRACE)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        launcher.kill()  # the ranks notice
        launcher.wait()
    if launcher.stdin is not None:
        launcher.stdin.close()
