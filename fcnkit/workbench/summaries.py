"""What lists and pages say about a job: progress, scores, the time that is left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from caffeformat import InputError, reading
from fcnkit.files import read_json_object
from fcnkit.jobs import Job, State, seconds_of

from .bench import bench
from .wording import state_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MOST_PROGRESS = 1 << 20  # bytes


class Progress(NamedTuple):
    """How far the running command is."""

    done: int
    total: int | None
    what: str
    left: float | None  # seconds
    figures: Mapping[str, float | None]

    @property
    def share(self) -> float | None:
        """From 0 to 1; None where the total is not known."""
        return min(1.0, self.done / self.total) if self.total else None


class Summary(NamedTuple):
    """A job's line in a list."""

    job: Job
    state: State
    progress: Progress | None
    mean_iou: float | None
    accuracy: float | None
    dataset: Job | None
    seconds: float | None  # that it took, or has taken


def curve_rows(id_: str) -> Sequence[dict[str, float]]:
    """Return what a model's training log holds so far, one dict per iteration, in order."""
    return bench().scores.curves(id_)


def progress_of(job: Job, state: State) -> Progress | None:
    """Return how far the command that runs is; None where none does or it does not say."""
    if state.state != "running":
        return None
    path = bench().jobs.path(job.id, "progress.json")
    try:
        found = read_json_object(path, _MOST_PROGRESS)
        with reading(path):
            left, figures = found.get("left"), found.get("figures") or {}
            return Progress(
                int(found["done"]),
                None if found["total"] is None else int(found["total"]),
                str(found["what"]),
                None if left is None else float(left),
                {str(k): None if v is None else float(v) for k, v in figures.items()},
            )
    except InputError:
        return None


def summary(job: Job, state: State) -> Summary:
    """Return a job's line."""
    iou, accuracy = bench().scores.of(job, state)
    dataset = None
    if job.kind == "model":
        found = bench().jobs.get(str(job.settings.get("dataset", "")))
        dataset = found[0] if found else None
    seconds = None
    if state.begun:
        end = time.time() if state.is_active else seconds_of(state.since)
        seconds = max(0.0, end - seconds_of(state.begun))
    return Summary(job, state, progress_of(job, state), iou, accuracy, dataset, seconds)


def as_live(job: Job, state: State) -> dict[str, Any]:
    """Return what pages ask for again and again while a job is active."""
    progress = progress_of(job, state)
    step = job.steps[state.step].title if state.step < len(job.steps) else ""
    return {
        "state": state.state,
        "name": state_name(state.state),
        "words": state.words,
        "step": step,
        "number": min(state.step + 1, len(job.steps)),
        "steps": len(job.steps),
        "progress": None if progress is None else {**progress._asdict(), "share": progress.share},
    }
