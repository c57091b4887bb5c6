"""The process that runs a job's commands one after the other and records how they end.

    python -m fcnkit.jobs.supervisor FOLDER

It needs nobody: whoever started it may end meanwhile. The first SIGTERM asks the command to stop,
as Ctrl-C does; the second ends it at once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from .processes import end_group, python_command, running
from .records import LOCK, LOG, PROGRESS, now, read_job, read_state, tail, write_state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from .records import State, Step

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def job_lock(folder: str) -> Iterator[bool]:
    """Hold the lock of a job's folder; yields whether it was free. It ends with the process."""
    with open(os.path.join(folder, LOCK), "ab") as file:
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


class Supervisor:
    """Runs the commands of the job in `folder`, from the step that its state names."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._job = read_job(folder)
        self._child: subprocess.Popen[bytes] | None = None
        self._asked = 0  # how often to stop

    def run(self) -> None:
        """Run whatever is left to do, and write how it ended."""
        state = read_state(self._folder)
        if state.state != "waiting" or self._job.fault:
            return
        signal.signal(signal.SIGTERM, self._stop)
        # The command may have been started where Ctrl-C is ignored; ours is its way to stop.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        state = state.then(
            "running", supervisor=running(os.getpid()), begun=state.begun or now(), exit=None
        )
        for number in range(state.step, len(self._job.steps)):
            step = self._job.steps[number]
            status = self._run(step, state.then("running", step=number))
            state = dataclasses.replace(read_state(self._folder), exit=status)
            if status and self._asked:
                return self._write(state.then("aborted"))
            if status in step.accept_on and step.has_finished(self._folder):
                continue
            if status in step.pause_on and step.has_finished(self._folder):
                return self._write(state.then("paused", step=number + 1))
            if status:
                return self._write(state.then("error", words=_last_words(self._folder, status)))
        self._write(state.then("done"))

    def _run(self, step: Step, state: State) -> int:
        """Run one command; returns its exit status, 130 where it was not to start any more."""
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(self._folder, PROGRESS))
        if self._asked:
            return 130
        environment = {**os.environ, "FCNKIT_PROGRESS": os.path.join(self._folder, PROGRESS)}
        with open(os.path.join(self._folder, LOG), "ab") as log:
            # Names that are not UTF-8 have lone surrogates.
            log.write(f"$ fcnkit {' '.join(step.arguments)}\n".encode("utf-8", "replace"))
            log.flush()
            child = self._child = subprocess.Popen(
                python_command("fcnkit.commands.main", step.arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env=environment,
                start_new_session=True,
            )
        try:
            self._write(state.then("running", process=running(child.pid)))
        except BaseException:
            # A command that nobody knows of would go on beside the next one of its job.
            end_group(child.pid)
            raise
        if self._asked:
            self._pass_on()
        status = child.wait()
        end_group(child.pid)
        self._child = None
        return status

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._asked += 1
        self._pass_on()

    def _pass_on(self) -> None:
        if self._child is None or self._child.poll() is not None:
            return
        if self._asked > 1:
            end_group(self._child.pid)
        else:
            self._child.send_signal(signal.SIGINT)

    def _write(self, state: State) -> None:
        write_state(self._folder, state)


def _last_words(folder: str, status: int) -> str:
    """Return why a command ended: its own error, otherwise what its status says."""
    lines = [line for line in tail(os.path.join(folder, LOG)).splitlines() if line.strip()]
    for line in reversed(lines[-20:]):
        if line.startswith("error: "):
            return line[len("error: ") :]
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        more = ", perhaps for lack of memory" if -status == signal.SIGKILL else ""
        return f"its process was ended by {name}{more}"
    return lines[-1] if lines else f"its process ended with status {status}"


def main() -> int:
    """Run the job of the folder that the command line names."""
    folder = os.path.abspath(sys.argv[1])
    with job_lock(folder) as is_ours:
        if is_ours:
            Supervisor(folder).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
