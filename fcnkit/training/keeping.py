"""What stays of a run: its newest snapshots, and the best weights by validation mean IoU.

`snapshots.json` in the run's folder remembers both across kills: which snapshots the run has taken
(no other file is ever removed), what each test scored, and which was best.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, NamedTuple

from caffeformat import DAMAGE, FormatError, InputError, reason
from caffeformat.files import atomic_path
from fcnkit.files import known, read_json_object, write_json

from . import snapshots
from .setting_aside import free_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from caffeformat import pb
    from fcnkit.engine import Net

    from .settings import Snapshots

RECORD = "snapshots.json"


class Best(NamedTuple):
    """The best weights of a run: after how many iterations, their mean IoU, and their path."""

    iteration: int
    mean_iou: float
    weights: str


class Keeper:
    """Keeps the best weights, removes old snapshots, and tells when a run has stopped improving.

    `solver` holds the prefix of the snapshots, as a path in the run's folder, and their format;
    `plan` says how many stay. `needed` are files that are never removed. With `resume`, what an
    earlier process of the run recorded is taken up; `InputError` where that is damaged.

    Attribute: `best`, or None as long as no test after the first step had a mean IoU.
    """

    def __init__(
        self,
        solver: pb.SolverParameter,
        plan: Snapshots,
        needed: Iterable[str | os.PathLike[str]] = (),
        resume: bool = False,
    ) -> None:
        self._solver, self._plan, self._prefix = solver, plan, solver.snapshot_prefix
        self._needed = {os.path.realpath(path) for path in needed}
        self._path = os.path.join(os.path.dirname(self._prefix), RECORD)
        self._taken: list[int] = []  # iterations of the snapshots that the run has begun to write
        self._tests: dict[int, float] = {}  # iteration -> mean IoU
        self.best: Best | None = None
        self._is_saving = False
        if resume and os.path.exists(self._path):
            self._read()

    def test(self, iteration: int, mean_iou: float, net: Net) -> bool:
        """Record a test of `net`, and its weights if they are the best so far; returns whether.

        A test before the first step says nothing about this run and does not count.
        """
        if iteration < 1:
            return False
        self._tests[iteration] = mean_iou
        is_best = mean_iou > (self.best.mean_iou if self.best else -1)  # a NaN never is
        if is_best:
            best = Best(iteration, mean_iou, snapshots.best_path(self._prefix))
            if self.best is None and not self._is_saving and os.path.exists(best.weights):
                # What they scored is not known any more.
                os.replace(best.weights, free_name(best.weights))
            # A process that is killed from here on leaves weights and a record that differ: the
            # mark says so until both are written.
            self._is_saving = True
            self._write()
            with atomic_path(best.weights) as path:
                net.save(path)
            self.best, self._is_saving = best, False
        self._write()
        return is_best

    def is_exhausted(self, iteration: int) -> bool:
        """Whether the tests up to `iteration` make the run end.

        A run that was killed and resumed from before its best test has to get there first.
        """
        patience = self._plan.patience
        return patience is not None and self.tests_since_best(iteration) >= patience

    def tests_since_best(self, iteration: int) -> int:
        """Return how many tests up to `iteration` came after the best one."""
        best = self.best.iteration if self.best else 0
        return sum(best < tested <= iteration for tested in self._tests)

    def begin(self, iteration: int) -> None:
        """Record that a snapshot is about to be written."""
        if iteration not in self._taken:
            self._taken.append(iteration)
        self._write()

    def remove_old(self, iteration: int) -> str | None:
        """Remove what is too old beside the snapshot of `iteration`, which was just written.

        Returns a note where that snapshot is not whole or a file cannot be removed.
        """
        if self._plan.keep is None:
            return None
        _, state = snapshots.written(self._solver, iteration)
        if not snapshots.is_whole(state, self._solver):
            return f"{state} is not whole: older snapshots stay"
        older = sorted(taken for taken in self._taken if taken < iteration)
        for old in older[: max(0, len(older) + 1 - self._plan.keep)]:
            problem = self._remove(old)
            if problem:
                return problem
            self._taken.remove(old)
        self._write()
        return None

    def _remove(self, iteration: int) -> str | None:
        """Remove the files of a snapshot; returns what went wrong."""
        for hdf5 in (False, True):
            # The state first: weights without a state are no snapshot that resuming would look at.
            for path in reversed(snapshots.paths(self._prefix, iteration, hdf5)):
                if os.path.realpath(path) in self._needed:
                    continue
                try:
                    with contextlib.suppress(FileNotFoundError):
                        os.remove(path)
                except OSError as error:
                    return f"{path}: cannot be removed: {error.strerror}"
        return None

    def _write(self) -> None:
        best = self.best
        record: dict[str, Any] = {
            "prefix": os.path.basename(self._prefix),
            "best": None if best is None else {"iteration": best[0], "mean_iou": best[1]},
            "taken": self._taken,
            "tests": [[tested, known(value)] for tested, value in sorted(self._tests.items())],
        }
        if self._is_saving:
            record["saving"] = True
        write_json(self._path, record)

    def _read(self) -> None:
        try:
            record = read_json_object(self._path)
            if record["prefix"] != os.path.basename(self._prefix):
                return  # of a run whose snapshots have another name: none of them is this run's
            taken = [int(iteration) for iteration in record["taken"]]
            tests = {
                int(iteration): float("nan") if value is None else float(value)
                for iteration, value in record["tests"]
            }
            best = record["best"]
            if best is not None:
                path = snapshots.best_path(self._prefix)
                best = Best(int(best["iteration"]), float(best["mean_iou"]), path)
            is_saving = bool(record.get("saving"))
        except DAMAGE as error:
            raise FormatError(
                self._path,
                f"is damaged ({reason(error)}): remove it to resume without it; the best weights "
                "so far are then set aside, and older snapshots stay",
            ) from error
        self._taken, self._tests, self._is_saving = taken, tests, is_saving
        self.best = best if best is not None and os.path.isfile(best.weights) else None


def read_best(folder: str | os.PathLike[str]) -> Best | None:
    """Return the best weights of the run in `folder`, an output of `train`.

    None where it has none so far, and while they are being written. `InputError` for a damaged
    record.
    """
    path = os.path.join(folder, RECORD)
    if not os.path.exists(path):
        return None
    record = read_json_object(path)
    try:
        best, prefix = record["best"], os.path.basename(str(record["prefix"]))
        if best is None or record.get("saving"):
            return None
        weights = snapshots.best_path(os.path.join(folder, prefix))
        found = Best(int(best["iteration"]), float(best["mean_iou"]), weights)
    except DAMAGE as error:
        raise FormatError(path, f"is damaged ({reason(error)})") from error
    return found if os.path.isfile(weights) else None


def steps_of(weights: str | os.PathLike[str]) -> int | None:
    """Return after how many steps of its run a file of weights was written.

    The name of a snapshot says so, and the run's record for its best weights; None otherwise.
    """
    path = os.path.abspath(weights)
    found = re.search(r"_iter_(\d{1,12})\.", os.path.basename(path))
    if found:
        return int(found.group(1))
    with contextlib.suppress(InputError):  # a damaged record does not say
        best = read_best(os.path.dirname(path))
        if best is not None and best.weights == path:
            return best.iteration
    return None
