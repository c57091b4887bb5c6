"""Trains a network: from a solver and a dataset to snapshots, a log and curves.

    recipe = Recipe("solver.prototxt", data="dataset")
    train(recipe, "run", Start(weights="fcn_alexnet.caffemodel"))

The engine only takes steps; tests, displays, scores and snapshots are made here, at the iterations
that the solver specifies, so that every engine leaves the same files.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from typing import TYPE_CHECKING

from fcnkit import engine

from . import run_folder
from .observing import Beginning, Observer
from .preparing import check_files
from .running import Outcome, Run
from .settings import Recipe, Start
from .together import Prepared, train_together

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Observer", "Outcome", "train"]


def train(
    recipe: Recipe,
    output: str | os.PathLike[str],
    start: Start | None = None,
    *,
    gpu: int | Sequence[int] | str | engine.Devices | None = None,
    allow_python: Sequence[str] = (),
    force: bool = False,
    observer: Observer | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Train as `recipe` says and leave everything in the folder `output`.

    start           weights or snapshot to start from, by default neither; a run that continues from
                    a snapshot also continues in its data, unlike `caffe train`, and ends with the
                    weights of an unbroken run (Python layers of one's own start their data over)
    gpu             number of the GPU to compute on, several of them or "all"; None for the CPU, or
                    `fcnkit.engine.Devices(processes=N)` for several processes there. Several
                    devices have a process each, with batches of the net's size: N of them take the
                    steps of one with N times the batch. torchrun may have started them, and this
                    one: then all return alike, and the root alone writes and observes
    allow_python    modules whose Python layers the nets may run
    force           replace an earlier run in `output`: it is removed once the new one has taken its
                    first step, and is back where that one ends before
    observer        receives notes, steps and tests
    stop            called after each iteration; returns true to end the run with a snapshot, or
                    without one where it is the first and the run replaces an earlier one, which is
                    back then (`Outcome.withdrawn`)

    Raises `InputError` for input that cannot be used, for an `output` that holds a run already
    (unless `start.resume` or `force`), and for a loss that is NaN or infinite.
    """
    output, start = os.path.abspath(output), start or Start()
    devices, observer = engine.devices_of(gpu), observer or Observer()
    if recipe.sync_batch_norm and engine.name() != "torch":
        engine.prepare_solvers(sync_batch_norm=True, share_tests=False)  # refuses
    if devices.count > 1 and not engine.has_launched():
        run_folder.refuse_inputs(output, recipe, start)
        if run_folder.settle(output):
            observer.note(run_folder.BACK.format(output))
        check_files(recipe, start)
        settings = (recipe, output, start, devices, tuple(allow_python), force)
        try:
            return train_together(settings, devices, observer, stop)
        except BaseException:
            # Processes that were ended, as another one had failed, bring nothing back themselves.
            if run_folder.settle(output):
                observer.note(run_folder.BACK.format(output))
            raise
    together = engine.join(devices)
    if together.has_begun(output):
        start, force = dataclasses.replace(start, resume=True), False
        observer.replaces = False
    run = Run(recipe, output, start, devices, allow_python, force)
    with contextlib.ExitStack() as stack:
        prepared: Prepared = together.from_root(lambda: run.prepare(stack, together, observer))

        def begin() -> None:
            # In this order: processes that are started again must not continue the earlier run.
            if run.remove_earlier is not None:
                run.remove_earlier()
            together.begin(output)

        told, beginning = observer if together.is_root else Observer(), None
        if run.remove_earlier is None:
            begin()
        else:
            told = beginning = Beginning(told, begin, replaces=True)
        outcome = run.train(prepared, together, told, stop)
        if beginning is not None and not outcome.withdrawn:
            beginning.begin()  # a run may succeed without a step
        return together.from_root(lambda: outcome)
