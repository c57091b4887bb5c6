"""A folder of jobs: making, finding, renaming and throwing them away.

The folders are the whole truth; what is kept in memory is only read from them, and again when they
change.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import re
import shutil
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from caffeformat import InputError
from caffeformat.files import open_append

from .processes import signal_process
from .records import (
    ASKED,
    JOB,
    STATE,
    Job,
    State,
    now,
    read_job,
    read_state,
    write_job,
    write_state,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .records import Step

_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}\Z")
_TRASH = "trash"
MAX_NAME = 200  # characters
MAX_NOTES = 20000
# Seconds that `end` waits for a job that was asked to stop, and then for one that was ended.
_PATIENCE = (5.0, 5.0)
# Jobs at rest change only by hand; their folders are looked at this often, in seconds.
_LOOK_AGAIN = 5.0


class Jobs:
    """The jobs in `folder`, which is made if need be. Several threads may use it.

    One process at a time may hold a folder of jobs; raises `InputError` for a second one.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = os.path.abspath(os.fspath(folder))
        try:
            os.makedirs(os.path.join(self.folder, _TRASH), exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.folder}: cannot keep jobs here: {error.strerror}") from error
        self._held = _hold(self.folder)
        self._lock = threading.RLock()
        self._jobs: dict[str, Job] = {}
        self._states: dict[str, State] = {}
        self._marks: dict[str, tuple[int, ...]] = {}
        self._list: tuple[tuple[Job, State], ...] | None = None  # of `all`, until one changes
        self._version = 0
        self._looked = float("-inf")
        self.refresh()

    def close(self) -> None:
        """Let other processes hold the folder."""
        self._held.close()

    # --- looking

    def refresh(self) -> None:
        """Read what changed: active jobs at each call, all others every few seconds."""
        with self._lock:
            everything = time.monotonic() - self._looked >= _LOOK_AGAIN
            if everything:
                self._looked = time.monotonic()
                there = {name for name in os.listdir(self.folder) if _ID.match(name)}
                for gone in set(self._jobs) - there:
                    self._forget(gone)
                look_at = there
            else:
                look_at = {id_ for id_, state in self._states.items() if state.is_active}
            for id_ in look_at:
                self._load(id_)

    def all(self) -> tuple[tuple[Job, State], ...]:
        """Return all jobs with their states, the newest first."""
        return self.versioned()[1]

    def versioned(self) -> tuple[int, tuple[tuple[Job, State], ...]]:
        """Return a number that grows when a job or its state changes, and what `all` returns."""
        with self._lock:
            if self._list is None:
                ids = sorted(self._jobs, reverse=True)
                self._list = tuple((self._jobs[id_], self._states[id_]) for id_ in ids)
            return self._version, self._list

    def get(self, id_: str) -> tuple[Job, State] | None:
        """Return the job `id_` as it is now, with its state; None where there is none."""
        if not _ID.match(id_):
            return None
        with self._lock:
            self._load(id_)
            if id_ not in self._jobs:
                return None
            return self._jobs[id_], self._states[id_]

    def path(self, id_: str, *parts: str) -> str:
        """Return the path of a job's folder, or of something in it."""
        if not _ID.match(id_):
            raise ValueError(f"{id_!r} is not the id of a job")
        return os.path.join(self.folder, id_, *parts)

    def make_folder(self, id_: str, *parts: str) -> str:
        """Make a folder in that of a job, which it does not bring back if it is deleted meanwhile.

        Returns its path; `InputError` where the job is gone or nothing can be written.
        """
        path = self.path(id_)
        if not os.path.isdir(path):
            raise InputError(f"{id_}: is not there any more")
        for part in parts:
            path = os.path.join(path, part)
            try:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(path)
            except OSError as error:
                raise InputError(f"{path}: cannot be made: {error.strerror}") from error
        return path

    # --- changing

    def new_id(self) -> str:
        """Return an id that no job has; its folder is made, and is no job before `add`."""
        while True:
            moment = datetime.datetime.now()
            # Ids sort by age: their end is the fraction of the second.
            id_ = f"{moment:%Y%m%d-%H%M%S}-{moment.microsecond * 65536 // 1000000:04x}"
            if os.path.exists(os.path.join(self.folder, _TRASH, id_)):
                continue
            with contextlib.suppress(FileExistsError):
                os.mkdir(os.path.join(self.folder, id_))
                return id_

    def add(
        self,
        id_: str,
        kind: str,
        name: str,
        lane: str,
        steps: Sequence[Step],
        settings: Mapping[str, Any] | None = None,
        notes: str = "",
    ) -> Job:
        """Make the folder of `new_id` a job that waits for its turn; the texts are shortened."""
        job = Job(
            id_, kind, _one_line(name) or id_, lane, tuple(steps), settings or {},
            _lines(notes), now(),
        )  # fmt: skip
        folder = self.path(id_)
        write_state(folder, State(since=now()))
        write_job(folder, job)
        with self._lock:
            self._load(id_)
        return job

    def discard(self, id_: str) -> None:
        """Remove a folder of `new_id` that did not become a job."""
        if not os.path.exists(self.path(id_, JOB)):
            shutil.rmtree(self.path(id_), ignore_errors=True)

    def change(self, id_: str, name: str | None = None, notes: str | None = None) -> Job:
        """Rename a job, or change its notes."""
        with self._lock:
            job = read_job(self.path(id_))
            if job.fault:
                raise InputError(f"{id_}: {job.fault}")
            changed = dataclasses.replace(
                job,
                name=job.name if name is None else _one_line(name) or job.name,
                notes=job.notes if notes is None else _lines(notes),
            )
            write_job(self.path(id_), changed)
            self._load(id_)
            return changed

    def stop(self, id_: str) -> None:
        """Ask a job to stop; asked again, it is ended at once. A waiting one stops waiting."""
        with self._lock:
            found = self.get(id_)
            if found is None or not found[1].is_active:
                return
            state = found[1]
            if state.supervisor and signal_process(state.supervisor, signal.SIGTERM):
                return
            asked = state.words == ASKED
            number = signal.SIGKILL if asked else signal.SIGINT
            if state.process and signal_process(state.process, number, whole_group=asked):
                # An orphan of a supervisor that was killed; `Line` sees how it ends.
                self.write(id_, dataclasses.replace(state, words=ASKED))
                return
            if state.state == "waiting":
                self.write(id_, state.then("aborted"))

    def end(self, id_: str) -> None:
        """Stop a job and wait until it has: what takes longer than seconds is ended at once.

        `InputError` where something still runs after that.
        """
        for patience in _PATIENCE:
            self.stop(id_)
            until = time.monotonic() + patience
            while time.monotonic() < until:
                found = self.get(id_)
                if found is None or not found[1].is_active:
                    return
                time.sleep(0.05)
        raise InputError(f"{self.path(id_)}: its process does not end: try again in a moment")

    def go_on(self, id_: str) -> None:
        """Let a job that stopped wait for its turn again, at the step where it is."""
        with self._lock:
            found = self.get(id_)
            if found is None or found[1].state not in ("aborted", "error", "paused"):
                return
            if found[0].fault or found[1].step >= len(found[0].steps):
                raise InputError(f"{id_}: has nothing left to do")
            self.write(id_, found[1].then("waiting", exit=None))

    def write(self, id_: str, state: State) -> None:
        """Set the state of a job that has no supervisor."""
        with self._lock:
            write_state(self.path(id_), state)
            self._load(id_)

    # --- the trash

    def throw_away(self, id_: str) -> None:
        """Move a job to the trash; `InputError` while it is active."""
        with self._lock:
            found = self.get(id_)
            if found is None:
                return
            if found[1].is_active:
                raise InputError(f"{found[0].name}: is {found[1].state}: abort it first")
            os.rename(self.path(id_), os.path.join(self._trash_folder(), id_))
            self._forget(id_)

    def trash_ids(self) -> list[str]:
        """Return the ids of the jobs in the trash, the newest first."""
        names = os.listdir(self._trash_folder())
        return sorted((name for name in names if _ID.match(name)), reverse=True)

    def trash(self, ids: Sequence[str] | None = None) -> list[Job]:
        """Return the jobs in the trash, or those of `ids`, the newest first."""
        place = os.path.join(self.folder, _TRASH)
        ids = self.trash_ids() if ids is None else ids
        return [read_job(os.path.join(place, id_)) for id_ in ids]

    def restore(self, id_: str) -> None:
        """Take a job out of the trash."""
        target = self.path(id_)
        with self._lock:
            try:
                os.rename(os.path.join(self._trash_folder(), id_), target)
            except FileNotFoundError:
                return
            except OSError as error:
                raise InputError(f"{target}: cannot be restored: {error.strerror}") from error
            self._load(id_)

    def empty_trash(self) -> None:
        """Remove what is in the trash for good."""
        for id_ in self.trash_ids():
            shutil.rmtree(os.path.join(self.folder, _TRASH, id_), ignore_errors=True)

    # --- within

    def _trash_folder(self) -> str:
        """Return the folder of the trash, which somebody may have removed by hand."""
        folder = os.path.join(self.folder, _TRASH)
        os.makedirs(folder, exist_ok=True)
        return folder

    def _load(self, id_: str) -> None:
        folder = os.path.join(self.folder, id_)
        mark: list[int] = []
        for name in (JOB, STATE):
            try:
                found = os.stat(os.path.join(folder, name))
                mark += [found.st_mtime_ns, found.st_ino]
            except OSError:
                mark.append(-1)
        if mark[0] == -1:
            self._forget(id_)  # a folder that is being filled, or is gone
        elif self._marks.get(id_) != tuple(mark):
            self._jobs[id_], self._states[id_] = read_job(folder), read_state(folder)
            self._marks[id_] = tuple(mark)
            self._changed()

    def _changed(self) -> None:
        self._list, self._version = None, self._version + 1

    def _forget(self, id_: str) -> None:
        if id_ in self._jobs:
            self._changed()
        for kept in (self._jobs, self._states, self._marks):
            kept.pop(id_, None)


def _one_line(name: str) -> str:
    """Return a name without line breaks and other characters that are no text."""
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())[:MAX_NAME]


def _lines(notes: str) -> str:
    """Return notes without characters that are no text."""
    return "".join(c for c in notes if c.isprintable() or c in "\n\t")[:MAX_NOTES]


def _hold(folder: str) -> Any:
    """Open and lock the file that says that somebody holds `folder`."""
    file = open_append(os.path.join(folder, ".held"))
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:  # Windows
        pass
    except OSError:
        file.close()
        raise InputError(
            f"{folder}: another server keeps its jobs here: choose another folder, or stop it"
        ) from None
    return file
