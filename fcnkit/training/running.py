"""Carries out a run in one process: prepares it in the root, opens the solver, takes the steps."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
from typing import TYPE_CHECKING

from caffeformat import pb
from caffeformat.files import claimed_folder
from fcnkit import engine
from fcnkit.datasets import DatasetFolder
from fcnkit.engine import copy_weights, fill_weights

from . import curves, diagnosis, resuming, run_folder, snapshots
from .continued import open_model
from .events import check_tensorboard, open_log
from .images import settle_images
from .keeping import Best, Keeper
from .preparing import check_files, classes_of, newest_snapshot, prepare_files
from .recorder import Recorder
from .together import NoKeeper, Prepared, SilentLog, can_share_tests

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fcnkit.engine import Solver
    from fcnkit.inference import ConfusionMatrix

    from .log import TrainingLog
    from .observing import Observer
    from .run_files import RunFiles
    from .settings import Recipe, Start

# The input of deploy.prototxt, height and width; inference reshapes it to each image.
_IMAGE_SHAPE = (500, 500)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a training run ended.

    iteration   iterations done; a first step that was withdrawn does not count
    finished    whether these were all of them
    weights     path of the last snapshot's weights; None without a snapshot
    matrix      confusion matrix of the last test; None without a test net
    best        iteration, mean IoU and path of the weights with the best mean IoU of all tests
                after the first step; None where no test had one
    """

    iteration: int
    finished: bool
    weights: str | None
    matrix: ConfusionMatrix | None
    best: Best | None = None

    @property
    def withdrawn(self) -> bool:
        """Whether the run was asked to stop before its first step, so that an earlier one stays."""
        return not self.finished and self.weights is None


class Run:
    """A run in one process, of those that train it together."""

    def __init__(
        self,
        recipe: Recipe,
        output: str,
        start: Start,
        devices: engine.Devices,
        allow_python: Sequence[str],
        force: bool,
    ) -> None:
        self.recipe, self.output, self.start = recipe, output, start
        self._devices, self._allow_python, self._force = devices, allow_python, force
        # What only the root has: the files that it writes, class names, the snapshot to restore
        self._files: RunFiles | None = None
        # Removes an earlier run, which is set aside until then; None where there is none.
        self.remove_earlier: Callable[[], None] | None = None
        self._names: Sequence[str] = ()
        self._snapshot: str | os.PathLike[str] | None = None

    def prepare(
        self, stack: contextlib.ExitStack, together: engine.Together, observer: Observer
    ) -> Prepared:
        """Check everything, claim the output folder until `stack` ends, and write what will run.

        An earlier run that is to be replaced comes back then, unless `remove_earlier` was called.
        """
        recipe, output, start = self.recipe, self.output, self.start
        run_folder.refuse_inputs(output, recipe, start)
        has_returned = run_folder.settle_around(output)
        stack.enter_context(claimed_folder(output))
        if run_folder.bring_back(output) or has_returned:
            observer.note(run_folder.BACK.format(output))
        aside = stack.enter_context(run_folder.set_aside(output))
        recipe, start = open_model(recipe, start, output, self._force, aside)
        self.recipe, self.start = recipe, start
        check_files(recipe, start)
        engine.check_computing(recipe.precision, recipe.recompute)
        if recipe.tensorboard:
            check_tensorboard()
        with contextlib.ExitStack() as opened:
            dataset = None
            if recipe.data is not None:
                dataset = opened.enter_context(DatasetFolder(recipe.data))
            files = prepare_files(recipe, dataset, together.count)
            settle_images(files, start.weights_files)
            names, palette = classes_of(dataset, files)
            prefix = os.path.basename(files.solver.snapshot_prefix) or "snapshot"
            prefix = os.path.join(output, prefix)
            files.solver.snapshot_prefix = prefix
            weighs = recipe.class_weights is not None
            run_folder.claim(output, prefix, start, self._force, files, aside, weighs=weighs)
            if not aside.is_empty:
                self.remove_earlier = aside.remove
            if recipe.class_weights is not None:
                files.weigh_classes(recipe.class_weights, output)
        # From here on the dataset is the engine's: one process must not open an LMDB twice.
        snapshot, iteration = start.snapshot, None
        if start.resume:
            snapshot = newest_snapshot(prefix, files.solver, observer) or snapshot
        if snapshot is not None:
            iteration = snapshots.read_iteration(snapshot)
        for note in files.notes:
            observer.note(note)
        solver, on_gpu = files.solver, bool(self._devices.gpus)
        if not on_gpu and solver.HasField("solver_mode") and solver.solver_mode:
            observer.note("the solver asks for a GPU, but none was chosen: computing on the CPU")
        solver.solver_mode = pb.SolverParameter.GPU if on_gpu else pb.SolverParameter.CPU
        self._files, self._names, self._snapshot = files, names, snapshot
        prepared = Prepared.of(files, iteration)
        if iteration is not None:
            resuming.start_python_layers(files, iteration, 0, together.count)
        files.write(output, _IMAGE_SHAPE)
        run_folder.write_settings(output, files, names, palette)
        return prepared

    def train(
        self,
        prepared: Prepared,
        together: engine.Together,
        observer: Observer,
        stop: Callable[[], bool],
    ) -> Outcome:
        """Open the solver and take the steps."""
        recipe, start, files = self.recipe, self.start, self._files
        engine.prepare_solvers(
            sync_batch_norm=recipe.sync_batch_norm,
            share_tests=together.count > 1 and can_share_tests((files or prepared.files()).tests),
        )
        if files is None:
            files = prepared.files()
            if prepared.iteration is not None:
                resuming.start_python_layers(
                    files, prepared.iteration, together.rank, together.count
                )
            solver = self._open(prepared.quiet_solver(files))
            unmatched: list[str] = []
        else:
            solver = self._open(files.stepwise())
            unmatched = _load(solver, files, start, self._snapshot, recipe.fill, observer)
        engine.connect(solver, together)
        if prepared.iteration is not None:
            for note in resuming.skip_batches(solver, files):
                observer.note(note)
        with contextlib.ExitStack() as stack:
            recorder, draw = self._recorder(
                stack, solver, files, together, observer, stop, unmatched
            )
            try:
                seed = files.solver.random_seed
                engine.train(
                    solver,
                    recorder,
                    {
                        "max_iter": files.solver.max_iter,
                        "seed": f"{seed}/{together.rank}" if together.rank else seed,
                    },
                )
                recorder.finish()
            finally:
                draw()
        return Outcome(
            solver.iter - recorder.withdrawn,
            not recorder.stopped,
            recorder.last_weights,
            recorder.last_test_matrix,
            recorder.keeper.best,
        )

    def _open(self, solver: pb.SolverParameter) -> Solver:
        recipe = self.recipe
        return engine.open_solver(
            solver, self._allow_python, precision=recipe.precision, recompute=recipe.recompute
        )

    def _recorder(
        self,
        stack: contextlib.ExitStack,
        solver: Solver,
        files: RunFiles,
        together: engine.Together,
        observer: Observer,
        stop: Callable[[], bool],
        unmatched: Sequence[str],
    ) -> tuple[Recorder, Callable[[], None]]:
        """Return the hooks around the steps, and what updates the curves."""
        log: TrainingLog | SilentLog
        keeper: Keeper | NoKeeper
        draw: Callable[[], None]
        if together.is_root:
            start = self.start
            log = stack.enter_context(
                open_log(self.output, files, solver.iter, self.recipe.tensorboard)
            )
            log.solving(files.train.name or "net", files.solver.lr_policy)
            if self._snapshot is not None:
                log.restoring(os.path.abspath(self._snapshot))
            needed = run_folder.needed_files(start)
            keeper = Keeper(files.solver, self.recipe.snapshots, needed, start.resume)
            draw = functools.partial(_draw, self.output, files.train.name)
        else:
            log, keeper, draw = SilentLog(), NoKeeper(), _nothing
        recorder = Recorder(
            solver, files, log, observer, keeper, draw, stop, self._names, unmatched, together
        )
        return recorder, draw


def _nothing() -> None:
    """In place of what another process does."""


def _load(
    solver: Solver,
    files: RunFiles,
    start: Start,
    snapshot: str | os.PathLike[str] | None,
    fill: str | None,
    observer: Observer,
) -> list[str]:
    """Give the net its first weights; returns the layers for which no file of weights has any."""
    unmatched: list[str] = []
    if snapshot is not None:
        iteration = snapshots.restore(solver, snapshot)
        observer.note(f"continuing from {os.fspath(snapshot)}, iteration {iteration}")
        return unmatched
    for number, path in enumerate(start.weights_files):
        missing = copy_weights(solver.net, path)
        unmatched = [name for name in missing if not number or name in unmatched]
    if unmatched:
        files_of = " and ".join(start.weights_files)
        observer.note(f"no weights of that name in {files_of}: {', '.join(unmatched)}")
    zero = diagnosis.zero_layers(solver.net, files.train)
    if zero and fill:
        fill_weights(solver.net, files.train, zero, fill, files.solver.random_seed)
        observer.note(f"filled by {fill} instead of starting at zero: {', '.join(zero)}")
    elif zero:
        stuck = diagnosis.stuck_layers(files.train, zero)
        for text in diagnosis.describe_zero_layers(zero, stuck):
            observer.note(text)
    return unmatched


def _draw(output: str, title: str) -> None:
    """Write curves.csv and curves.png from the log."""
    rows = curves.parse_log(os.path.join(output, "train.log"))
    if rows:
        curves.write_csv(os.path.join(output, "curves.csv"), rows)
        curves.plot(os.path.join(output, "curves.png"), rows, title)
