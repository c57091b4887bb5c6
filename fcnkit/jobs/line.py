"""The line in which jobs wait: one of each lane runs at a time, in the order of their ids."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import threading
from typing import TYPE_CHECKING

from caffeformat import InputError

from .processes import python_command
from .records import ACTIVE, ASKED, LOG, now, read_state, tail

if TYPE_CHECKING:
    from .records import Job, State
    from .store import Jobs

_SECONDS = 0.3
_TROUBLE = "supervisor.txt"
# What keeps a process from being started now, and may not later.
_PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)


def start_supervisor(folder: str) -> subprocess.Popen[bytes]:
    """Start the process that runs the commands of the job in `folder`."""
    with open(os.path.join(folder, _TROUBLE), "wb") as trouble:
        return subprocess.Popen(
            python_command("fcnkit.jobs.supervisor", [folder]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=trouble,
            cwd=folder,
            start_new_session=True,
        )


class Line:
    """Starts the jobs of a `Jobs` folder when it is their turn, and notices those that died.

    `look` does one round; `start` does so in a thread of its own until `close`. Jobs that run go on
    without it, and the next one finds them again. `is_busy` says whether any ran at the last round.
    """

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.is_busy = False  # whether a job ran at the last look

    def start(self) -> None:
        """Look after the jobs in a thread of its own."""
        self._thread = threading.Thread(target=self._forever, daemon=True, name="line of jobs")
        self._thread.start()

    def close(self) -> None:
        """Stop looking after the jobs; those that run go on."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _forever(self) -> None:
        while not self._ended.wait(_SECONDS):
            # A full disk, for instance: the next round may do better.
            with contextlib.suppress(InputError, OSError):
                self.look()

    def look(self) -> None:
        """Take note of jobs that ended, and start those whose turn it is."""
        self._jobs.refresh()
        busy = set()
        waiting = []
        for job, state in self._jobs.all():
            if state.state not in ACTIVE:
                self._reap(job.id)
            elif self._has_process(job, state):
                busy.add(job.lane)
            elif (
                state.state == "waiting"
                and not job.fault
                and job.id not in self._started
                and self._jobs.get(job.id) == (job, state)
            ):
                waiting.append(job)
        self.is_busy = bool(busy)
        for job in reversed(waiting):  # the oldest first
            if job.lane not in busy and self._begin(job):
                busy.add(job.lane)

    def _begin(self, job: Job) -> bool:
        """Start a job's supervisor; returns whether that worked: one that cannot stops no other."""
        try:
            self._started[job.id] = start_supervisor(self._jobs.path(job.id))
        except OSError as error:
            if error.errno not in _PASSING:
                words = f"its process could not be started: {error.strerror or error}"
                with contextlib.suppress(InputError, OSError):
                    state = read_state(self._jobs.path(job.id))
                    self._jobs.write(job.id, state.then("error", words=words))
            return False
        return True

    def _has_process(self, job: Job, state: State) -> bool:
        """Whether an active job has one; an end that cannot be written down now is later."""
        try:
            if state.state == "running":
                return self._is_alive(job, state)
            return self._is_beginning(job.id)  # its supervisor is about to say that it runs
        except (InputError, OSError):
            return False

    def _reap(self, id_: str) -> None:
        """Wait for a supervisor that has nothing left to do."""
        child = self._started.get(id_)
        if child is not None and child.poll() is not None:
            del self._started[id_]

    def _is_alive(self, job: Job, state: State) -> bool:
        """Whether a job that says it runs does; one that died gets the state it is in."""
        for process in (state.supervisor, state.process):
            if process is not None and process.is_alive:
                return True
        self._reap(job.id)
        # The supervisor may have written its last word just before it ended.
        state = read_state(self._jobs.path(job.id))
        if state.state == "running":
            self._jobs.write(job.id, _after_death(job, state, self._jobs.path(job.id)))
        return False

    def _is_beginning(self, id_: str) -> bool:
        """Whether a waiting job's supervisor was started; one that failed gets that state."""
        child = self._started.get(id_)
        status = None if child is None else child.poll()
        if child is None or status is None:
            return child is not None
        state = read_state(self._jobs.path(id_))
        if status and state.state == "waiting":
            words = tail(self._jobs.path(id_, _TROUBLE)).strip().splitlines()
            last = words[-1] if words else "its process ended at once"
            self._jobs.write(id_, state.then("error", words=last, begun=state.begun or now()))
        del self._started[id_]
        return False


def _after_death(job: Job, state: State, folder: str) -> State:
    """Return the state of a job whose supervisor and command both ended unseen."""
    step = job.steps[state.step] if state.step < len(job.steps) else None
    if step is not None and step.evidence is not None and step.evidence.is_there(folder):
        if state.step + 1 == len(job.steps):
            return state.then("done")
        return state.then("waiting", step=state.step + 1)
    if state.words == ASKED:
        return state.then("aborted")
    last = [line for line in tail(os.path.join(folder, LOG)).splitlines() if line.strip()]
    said = f"; the last that it said: {last[-1][:300]}" if last else ""
    return state.then(
        "error",
        exit=-signal.SIGKILL,
        words=f"its process ended without a word, as when it is killed or the machine stops{said}",
    )
