"""Processes that outlive whoever started them: starting, recognizing and signalling them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

from caffeformat import InputError, read_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_STAT = 1 << 16  # bytes of /proc/<pid>/stat


class Running(NamedTuple):
    """A process: a number alone may mean another process by now."""

    pid: int
    started: str  # when, as the system spells it

    @property
    def is_alive(self) -> bool:
        """Whether exactly this process still runs."""
        return start_time(self.pid) == self.started


def running(pid: int) -> Running:
    """Return the process `pid` with its start time, empty where it has ended already."""
    return Running(pid, start_time(pid) or "")


def start_time(pid: int) -> str | None:
    """Return when the process `pid` started, in words of the system; None where there is none.

    A process that has ended and was not waited for (a zombie) counts as none.
    """
    try:
        # The name, in brackets, may hold anything. State is the 3rd field, starttime the 22nd.
        fields = read_bytes(f"/proc/{pid}/stat", _MOST_STAT).rpartition(b")")[2].split()
        return None if fields[0] in (b"Z", b"X") else fields[19].decode()
    except (InputError, IndexError):
        pass
    if os.path.isdir("/proc/self"):
        return None
    return _asked_of_ps(pid)


def _asked_of_ps(pid: int) -> str | None:
    """Where there is no /proc, `ps` knows."""
    try:
        done = subprocess.run(
            ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True
        )
    except OSError:
        return None
    state, _, started = done.stdout.strip().partition(" ")
    return started.strip() if state and not state.startswith("Z") else None


def signal_process(process: Running, number: int, whole_group: bool = False) -> bool:
    """Send a signal to exactly this process, or to its whole group; returns whether it was there.

    A process whose number another one has by now gets nothing.
    """
    if not process.is_alive:
        return False
    with contextlib.suppress(ProcessLookupError, PermissionError):
        (os.killpg if whole_group else os.kill)(process.pid, number)
        return True
    return False


def end_group(pid: int) -> None:
    """End what a process that led a group left behind in it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


# The project may lie in a checkout that only the parent's path names. It comes last: a folder of
# packages in front of the standard library could replace modules of that.
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_START = (
    "import sys; sys.path[:] = [*filter(None, sys.path), {root!r}]; "
    "from {module} import main; sys.exit(main())"
)


def python_command(module: str, arguments: Sequence[str]) -> list[str]:
    """Return the command line that runs `main()` of one of the project's modules.

    Nothing is imported from the folder that the process works in.
    """
    return [sys.executable, "-c", _START.format(root=_ROOT, module=module), *arguments]
