"""How long a run takes and how often it tests, displays and takes snapshots.

Solvers count iterations, people count passes over the data.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from caffeformat import InputError, learning_rate

from .augmented import batch_size
from .settings import MOST_ITERATIONS

if TYPE_CHECKING:
    from .run_files import RunFiles
    from .settings import Snapshots


def set_intervals(
    files: RunFiles,
    images: int | None,
    epochs: float | None = None,
    snapshots: Snapshots | None = None,
) -> None:
    """Fill in what the solver of `files` leaves open: iterations, display and test intervals.

    `images` is the size of the training data (None: unknown), `epochs` the number of passes over
    it. `snapshots` may say how often snapshots are taken, in iterations or in passes.
    """
    solver = files.solver
    if solver.iter_size < 1:
        raise InputError(f"{files.path}: iter_size is {solver.iter_size}, expected 1 or more")
    if solver.test_interval < 0:
        raise InputError(
            f"{files.path}: test_interval is {solver.test_interval}, expected a number above 0"
        )
    batch = (batch_size(files.train) or 1) * solver.iter_size * files.solvers
    epoch = math.ceil(images / batch) if images else None
    if epochs is not None:
        if epoch is None:
            raise InputError(
                "{epochs} needs a dataset of known size: set max_iter instead",
                option="epochs",
                value=epochs,
            )
        solver.max_iter = _whole(math.ceil(epochs * epoch), f"{epochs:g} passes over the data")
    if solver.max_iter < 1:
        raise InputError(
            f"{files.path}: has no max_iter: set it, or pass {{epochs}}", option="epochs"
        )
    if not solver.lr_policy:
        solver.lr_policy = "fixed"
        files.notes.append("the solver names no lr_policy: the learning rate stays fixed")
    if solver.base_lr <= 0:
        raise InputError(
            f"{files.path}: base_lr is {solver.base_lr:g}, expected a number above 0: set it"
        )
    learning_rate(solver, 0)  # an unknown policy would make BVLC Caffe end the process
    if not solver.display:
        solver.display = max(1, min(20, solver.max_iter // 20))
    if files.tests and not solver.test_interval:
        solver.test_interval = epoch or max(1, solver.max_iter // 10)
    if snapshots is None:
        return
    if snapshots.every is not None:
        solver.snapshot = snapshots.every
    elif snapshots.epochs is not None:
        if epoch is None:
            raise InputError(
                f"snapshots every {snapshots.epochs:g} passes need a dataset of known size: say "
                "how often in iterations"
            )
        every = f"snapshots every {snapshots.epochs:g} passes"
        solver.snapshot = _whole(max(1, round(snapshots.epochs * epoch)), every)


def _whole(iterations: int, what: str) -> int:
    """`iterations`, which `what` makes; `InputError` where a solver cannot count them."""
    if iterations > MOST_ITERATIONS:
        raise InputError(
            f"{what} are {iterations} iterations, but a solver counts {MOST_ITERATIONS} at most: "
            "choose fewer"
        )
    return iterations
