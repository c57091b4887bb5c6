"""What a job's folder says: `job.json` and `state.json` as records."""

from __future__ import annotations

import dataclasses
import datetime
import os
from typing import TYPE_CHECKING, Any

from caffeformat import InputError, open_file, reading
from fcnkit.files import read_json_object, write_json

from .processes import Running

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# States in which a job has a process, or will get one.
ACTIVE = ("waiting", "running")
_AT_REST = ("paused", "done", "aborted", "error")

# What a folder holds besides the commands' results. Both texts are small.
JOB, STATE, LOG, PROGRESS, LOCK = "job.json", "state.json", "log.txt", "progress.json", "lock"
_MAX_TEXT = 4 << 20

# `words` of a running job without a supervisor that was asked to stop
ASKED = "asked to stop"


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What a command leaves once it has done all its work, should nobody see its exit status.

    path   below the job's folder
    text   what the end of that file holds; empty where it is enough that the path exists
    """

    path: str
    text: str = ""

    def is_there(self, folder: str) -> bool:
        """Whether it is found below the job's `folder`."""
        path = os.path.join(folder, self.path)
        return os.path.exists(path) and (not self.text or self.text in tail(path))


@dataclasses.dataclass(frozen=True)
class Step:
    """One command of a job.

    title       for people
    arguments   of `fcnkit`: the command's name first; paths may be relative to the job's folder
    evidence    of a command that has done all its work
    pause_on    exit statuses after which the job asks a person whether to go on
    accept_on   exit statuses that count as success; both only where the evidence is there
    """

    title: str
    arguments: Sequence[str]
    evidence: Evidence | None = None
    pause_on: Sequence[int] = ()
    accept_on: Sequence[int] = ()

    def has_finished(self, folder: str) -> bool:
        """Whether its evidence is in the job's `folder`; true where it has none."""
        return self.evidence is None or self.evidence.is_there(folder)


@dataclasses.dataclass(frozen=True)
class Job:
    """What was asked for.

    kind        such as "dataset" or "model"
    lane        jobs of one lane run one at a time
    settings    the form's values, for people and for clones
    fault       why the folder's text cannot be read; usually empty
    """

    id: str
    kind: str
    name: str
    lane: str
    steps: Sequence[Step]
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    notes: str = ""
    created: str = ""
    fault: str = ""


@dataclasses.dataclass(frozen=True)
class State:
    """How far a job is.

    state        waiting, running, paused, done, aborted or error
    step         number of the step that runs, ran last or is next
    since        when it entered this state, UTC
    begun        when its first command began; empty before
    supervisor   the process that runs its commands
    process      the command itself
    exit         exit status of the last command that ended; negative: number of a signal
    words        why it is in this state, for people
    """

    state: str = "waiting"
    step: int = 0
    since: str = ""
    begun: str = ""
    supervisor: Running | None = None
    process: Running | None = None
    exit: int | None = None
    words: str = ""

    def then(self, state: str, **changes: Any) -> State:
        """Return the state that follows now."""
        settled: dict[str, Any] = {"words": "", "since": now()}
        if state not in ACTIVE:
            settled.update(supervisor=None, process=None)
        return dataclasses.replace(self, state=state, **{**settled, **changes})

    @property
    def is_active(self) -> bool:
        """Whether it has a process or will get one."""
        return self.state in ACTIVE


def now() -> str:
    """Return the time, UTC, as the records spell it."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(time: str) -> float:
    """Return a record's time as seconds since 1970; 0 for what is none."""
    try:
        parsed = datetime.datetime.strptime(time, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return 0.0
    return parsed.replace(tzinfo=datetime.timezone.utc).timestamp()


def write_job(folder: str, job: Job) -> None:
    """Write `job.json`."""
    data = dataclasses.asdict(job)
    del data["fault"]
    write_json(os.path.join(folder, JOB), data)


def read_job(folder: str) -> Job:
    """Read `job.json`. One that cannot be read becomes a job with a `fault`."""
    name, path = os.path.basename(folder), os.path.join(folder, JOB)
    try:
        data = read_json_object(path, _MAX_TEXT)
        with reading(path, "is not a job"):
            return _job_of(name, data)
    except InputError as error:
        return Job(name, "broken", name, "", (), fault=f"{JOB} cannot be read: {error}")


def _job_of(id_: str, data: Mapping[str, Any]) -> Job:
    steps = [
        Step(
            str(step["title"]),
            [str(argument) for argument in step["arguments"]],
            _evidence(step.get("evidence")),
            [int(status) for status in step.get("pause_on", ())],
            [int(status) for status in step.get("accept_on", ())],
        )
        for step in data["steps"]
    ]
    settings = data.get("settings", {})
    if not isinstance(settings, dict):
        raise TypeError("settings: expected an object")
    texts = {key: str(data.get(key, "")) for key in ("notes", "created")}
    kind, title, lane = (str(data[key]) for key in ("kind", "name", "lane"))
    return Job(id_, kind, title, lane, steps, settings, **texts)


def _evidence(data: Mapping[str, Any] | None) -> Evidence | None:
    return Evidence(str(data["path"]), str(data.get("text", ""))) if data else None


def write_state(folder: str, state: State) -> None:
    """Write `state.json`."""
    data = dataclasses.asdict(state)
    for key in ("supervisor", "process"):
        found: Running | None = getattr(state, key)
        data[key] = found._asdict() if found else None
    write_json(os.path.join(folder, STATE), data)


def read_state(folder: str) -> State:
    """Read `state.json`. One that cannot be read is an error, in words."""
    path = os.path.join(folder, STATE)
    try:
        data = read_json_object(path, _MAX_TEXT)
        with reading(path, "is not a state"):
            return _state_of(data)
    except InputError as error:
        return State("error", words=f"{STATE} cannot be read: {error}")


def _state_of(data: Mapping[str, Any]) -> State:
    state, step, status = str(data["state"]), int(data["step"]), data.get("exit")
    if state not in (*ACTIVE, *_AT_REST):
        raise ValueError(f"there is no state {state[:40]!r}")
    if step < 0:
        raise ValueError(f"there is no step {step}")
    return State(
        state,
        step,
        str(data.get("since", "")),
        str(data.get("begun", "")),
        _process(data.get("supervisor")),
        _process(data.get("process")),
        None if status is None else int(status),
        str(data.get("words", "")),
    )


def _process(data: Any) -> Running | None:
    return Running(int(data["pid"]), str(data["started"])) if data else None


def tail(path: str, size: int = 4096) -> str:
    """Return the last `size` bytes of a text file, "" where there is none."""
    try:
        with open_file(path) as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - size))
            return file.read(size).decode("utf-8", "replace")
    except (InputError, OSError):
        return ""
