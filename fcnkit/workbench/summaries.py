"""What lists and pages say about a job: progress, scores, the time that is left."""

from __future__ import annotations

import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from caffeformat import InputError
from fcnkit.jobs import Job, State, seconds_of
from fcnkit.training import parse_log

from .bench import bench
from .model_jobs import RUN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SCORES = ("test_mean_iou", "test_pixel_accuracy")


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


class Curves:
    """The rows of training logs, read again when they change. Several threads may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[tuple[int, int], list[dict[str, float]]]] = {}

    def rows(self, run: str) -> list[dict[str, float]]:
        """Return the rows of the log in the folder of a run; empty where there is none."""
        path = os.path.join(run, "train.log")
        try:
            found = os.stat(path)
        except OSError:
            return []
        mark = (found.st_mtime_ns, found.st_size)
        with self._lock:
            known = self._kept.get(path)
        if known is None or known[0] != mark:
            try:
                known = (mark, parse_log(path))
            except InputError:
                return []
            with self._lock:
                if len(self._kept) > 5000:
                    self._kept.clear()
                self._kept[path] = known
        return known[1]


_CURVES = Curves()


def curve_rows(id_: str) -> list[dict[str, float]]:
    """Return what a model's training log holds so far, one dict per iteration."""
    return _CURVES.rows(bench().jobs.path(id_, RUN))


def progress_of(job: Job, state: State) -> Progress | None:
    """Return how far the command that runs is; None where none does or it does not say."""
    if state.state != "running":
        return None
    try:
        with open(bench().jobs.path(job.id, "progress.json"), encoding="utf-8") as file:
            found = json.load(file)
        return Progress(
            int(found["done"]),
            None if found["total"] is None else int(found["total"]),
            str(found["what"]),
            found.get("left"),
            found.get("figures") or {},
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def best_scores(rows: Sequence[Mapping[str, float]]) -> tuple[float | None, float | None]:
    """Return the newest (mean IoU, pixel accuracy) of a validation; None where there is none."""
    values: list[float | None] = []
    for name in _SCORES:
        found = [row[name] for row in rows if name in row]
        values.append(found[-1] if found else None)
    return values[0], values[1]


_SETTLED: dict[str, tuple[State, tuple[float | None, float | None]]] = {}


def scores_of(job: Job, state: State) -> tuple[float | None, float | None]:
    """Return a model's newest scores; those of a job at rest are looked up once."""
    if job.kind == "dataset":
        return None, None
    known = _SETTLED.get(job.id)
    if known is not None and known[0] == state:
        return known[1]
    found = best_scores(curve_rows(job.id))
    if not state.is_active:
        if len(_SETTLED) > 20000:
            _SETTLED.clear()
        _SETTLED[job.id] = (state, found)
    return found


def summary(job: Job, state: State) -> Summary:
    """Return a job's line."""
    iou, accuracy = scores_of(job, state)
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
        "words": state.words,
        "step": step,
        "number": min(state.step + 1, len(job.steps)),
        "steps": len(job.steps),
        "progress": None if progress is None else {**progress._asdict(), "share": progress.share},
    }
