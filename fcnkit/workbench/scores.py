"""What training logs say: their curves, and each model's newest scores."""

from __future__ import annotations

import collections
import os
import threading
from typing import TYPE_CHECKING

from caffeformat import InputError
from fcnkit.training import LogReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fcnkit.jobs import Job, Jobs, State

    Rows = Sequence[dict[str, float]]
    Pair = tuple[float | None, float | None]

RUN = "run"  # folder of a model's training run, below that of its job
_SCORES = ("test_mean_iou", "test_pixel_accuracy")
_MOST_LOGS = 16  # whose rows are kept
_MOST_SCORES = 100_000


class Scores:
    """Curves and scores of the models in `jobs`. Several threads may use it.

    Of a log that grows, only what is new is read; of a job that does not run, the scores are looked
    up once.
    """

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._lock = threading.Lock()
        self._logs: collections.OrderedDict[str, LogReader] = collections.OrderedDict()
        self._settled: dict[str, tuple[State, Pair]] = {}

    def curves(self, id_: str) -> Rows:
        """Return what a model's training log holds so far, one dict per iteration, in order."""
        path = self._jobs.path(id_, RUN, "train.log")
        with self._lock:
            reader = self._logs.get(path)
            if reader is None:
                if not os.path.isfile(path):
                    return []
                reader = self._logs[path] = LogReader(path)
            self._logs.move_to_end(path)
            while len(self._logs) > _MOST_LOGS:
                self._logs.popitem(last=False)
        try:
            return reader.rows()
        except InputError:
            return []

    def of(self, job: Job, state: State) -> Pair:
        """Return a model's newest (mean IoU, pixel accuracy) of a validation; None for none."""
        if job.kind == "dataset":
            return None, None
        known = self._settled.get(job.id)
        # The state is the same object until its file changes.
        if known is not None and known[0] is state:
            return known[1]
        found = newest(self.curves(job.id))
        if state.state != "running":
            if len(self._settled) > _MOST_SCORES:
                self._settled.clear()
            self._settled[job.id] = (state, found)
        return found

    def mean_iou(self, job: Job, state: State) -> float | None:
        """Return a model's newest mean IoU of a validation, or None."""
        return self.of(job, state)[0]


def newest(rows: Rows) -> Pair:
    """Return the newest (mean IoU, pixel accuracy) of a validation; None where there is none."""
    iou, accuracy = (
        next((row[name] for row in reversed(rows) if name in row), None) for name in _SCORES
    )
    return iou, accuracy


def rows_after(rows: Rows, iteration: int) -> Rows:
    """Return the rows past an iteration."""
    low, high = 0, len(rows)
    while low < high:
        middle = (low + high) // 2
        if rows[middle]["iteration"] > iteration:
            high = middle
        else:
            low = middle + 1
    return rows[low:]
