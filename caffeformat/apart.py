"""Reads files in a process of their own, where a crash of a C library becomes our error.

libhdf5 and SciPy's reader of MATLAB files follow what a file says; a damaged one can end the
process. One child process per process does such work for all who ask, one piece after the other. It
is started when it is first needed (some tenths of a second, once), started anew where a file has
killed it, and ends with its parent.

    answer = run_apart(path, "reader.py", "read", {"path": path})

A reader is a file of its own that imports none of ours, so that the child starts fast. Its function
gets the request's values and the bytes, and returns (values for JSON, bytes). An exception of a
class `Refused` says what is wrong with the file; any other one is the library's.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from caffeformat.errors import FormatError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = 60.0  # for one file, if nothing else is asked for
_PIPE = 1 << 20  # bytes that a pipe holds at most; labels go through at once

_CHILD = """
import importlib.util, json, os, signal, sys
sys.path[:] = json.loads(sys.argv[1])
signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
try:
    import resource
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
except (ImportError, OSError, ValueError):
    pass
answers = os.fdopen(os.dup(1), "wb")
nothing = os.open(os.devnull, os.O_WRONLY)
os.dup2(nothing, 1), os.dup2(nothing, 2)
loaded = {}

def take():
    size = int.from_bytes(sys.stdin.buffer.read(8), "little")
    return sys.stdin.buffer.read(size)

while True:
    request = take()
    if not request:
        break
    request, data = json.loads(request), take()
    try:
        place = request["reader"]
        if place not in loaded:
            spec = importlib.util.spec_from_file_location("reader_apart", place)
            loaded[place] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(loaded[place])
        values, found = getattr(loaded[place], request["function"])(request["values"], data)
        answer = {"values": values}
    except BaseException as error:
        kind = "fault" if type(error).__name__ == "Refused" else "error"
        answer, found = {kind: " ".join(str(error).split())[:300] or type(error).__name__}, b""
    head = json.dumps(answer).encode()
    heads = [len(part).to_bytes(8, "little") for part in (head, found)]
    answers.write(b"".join([heads[0], head, heads[1], found]))
    answers.flush()
"""


def run_apart(
    source: str | os.PathLike[str],
    reader: str,
    function: str,
    values: Mapping[str, Any],
    data: bytes = b"",
    seconds: float = SECONDS,
    problem: str = "is damaged or of another kind",
) -> tuple[Any, bytes]:
    """Call `function(values, data)` of the Python file `reader` in the child; returns its answer.

    `source` is what errors call the file that is read, `problem` what they say of it. Raises
    `FormatError` where the function raises, where the process dies, and where it takes longer than
    `seconds`.
    """
    request = {"reader": os.path.abspath(reader), "function": function, "values": dict(values)}
    with _lock:
        child = _child()
        try:
            answer, found = child.ask(json.dumps(request).encode(), data, seconds)
        except _Died as death:
            _forget()
            raise FormatError(source, f"{problem}: reading it {death}") from None
        except BaseException:  # Ctrl-C: what the child then answers would be taken for the next
            _forget()
            raise
    if "fault" in answer:
        raise FormatError(source, str(answer["fault"]))
    if "error" in answer:
        raise FormatError(source, f"{problem} ({answer['error']})")
    return answer["values"], found


class _Died(Exception):
    """How the child ended."""


class _Child:
    """The process, and what belongs to it."""

    def __init__(self) -> None:
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        here = {"", os.getcwd()} - {root}
        path = [place for place in sys.path if place not in here]
        try:
            # -I: neither the working folder nor PYTHONPATH; what of it we use is passed on.
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _CHILD, json.dumps([*path, root])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                close_fds=True,
            )
        except OSError as error:
            raise InputError(f"no process can be started: {error.strerror}") from error
        self.owner = os.getpid()
        assert self._process.stdin is not None and self._process.stdout is not None
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        for end in (self._to, self._from):
            # A thread that waits for the child would cost more than most files take to read.
            os.set_blocking(end, False)
            with contextlib.suppress(AttributeError, OSError):  # Linux's alone, from Python 3.10
                fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, _PIPE)

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def ask(self, request: bytes, data: bytes, seconds: float) -> tuple[dict[str, Any], bytes]:
        """Send a request and wait for the answer; raises `_Died`."""
        deadline = time.monotonic() + seconds
        try:
            # At once: each piece would wake the child.
            heads = (len(part).to_bytes(8, "little") for part in (request, data))
            self._send(b"".join([next(heads), request, next(heads), data]), deadline)
            return json.loads(self._part(deadline)), self._part(deadline)
        except TimeoutError:
            self._process.kill()
            raise _Died(f"took longer than {seconds:.0f} seconds") from None
        except (OSError, EOFError):
            raise _Died(self._ending()) from None

    def _send(self, data: bytes, deadline: float) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._to, left) :]
            except BlockingIOError:
                _await(self._to, select.POLLOUT, deadline)

    def _part(self, deadline: float) -> bytes:
        return self._receive(int.from_bytes(self._receive(8, deadline), "little"), deadline)

    def _receive(self, size: int, deadline: float) -> bytes:
        parts = []
        while size:
            try:
                part = os.read(self._from, min(size, _PIPE))
            except BlockingIOError:
                _await(self._from, select.POLLIN, deadline)
                continue
            if not part:
                raise EOFError
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _ending(self) -> str:
        status = self._process.wait()
        with contextlib.suppress(ValueError):
            return f"ends the process that does ({signal.Signals(-status).name})"
        return f"ends the process that does (status {status})"

    def close(self) -> None:
        """End the process."""
        if self.owner != os.getpid():
            return  # inherited by a fork: it is the parent's
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _await(end: int, event: int, deadline: float) -> None:
    """Wait until the end of a pipe is ready; raises `TimeoutError` at the deadline."""
    poll = select.poll()
    poll.register(end, event)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError


_lock = threading.Lock()
_current: _Child | None = None


def _child() -> _Child:
    """This process's child, started if there is none."""
    global _current
    if _current is not None and _current.owner == os.getpid() and not _current.is_running():
        _forget()  # somebody else ended it
    if _current is None or _current.owner != os.getpid():
        _current = _Child()
        atexit.register(_forget)
    return _current


def _forget() -> None:
    global _current
    if _current is not None:
        _current.close()
    _current = None
    atexit.unregister(_forget)


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
