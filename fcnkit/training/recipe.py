"""Trains a network: from a solver and a dataset to snapshots, a log and curves.

    recipe = Recipe("solver.prototxt", data="dataset")
    train(recipe, "run", Start(weights="fcn_alexnet.caffemodel"))

The engine only takes steps; tests, displays, scores and snapshots are made here, at the iterations
that the solver specifies, so that every engine leaves the same files.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import InputError, pb
from caffeformat.files import claimed_folder
from fcnkit import engine, nets
from fcnkit.datasets import DatasetFolder
from fcnkit.engine import copy_weights, fill_weights
from fcnkit.progress import Progress

from . import curves, diagnosis, resuming, run_folder, snapshots
from .events import check_tensorboard, open_log
from .images import settle_images
from .intervals import set_intervals
from .keeping import Best, Keeper
from .loss import replace_loss
from .recorder import Recorder
from .run_files import RunFiles
from .settings import Recipe, Start

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from fcnkit.engine import Solver
    from fcnkit.inference import ConfusionMatrix

    from .log import Outputs

# The input of deploy.prototxt, height and width; inference reshapes it to each image.
_IMAGE_SHAPE = (500, 500)

_SPLITS = ("train", "val")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a training run ended.

    iteration   iterations done
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


class Observer(Progress):
    """Receives what `train` reports while it runs. A subclass shows it; this one is silent.

    `step` gets the iterations done and to do, the name of the output folder, and the running
    `loss`, `accuracy` and `mean_iou` (these two where the net scores classes).
    """

    def test(self, iteration: int, outputs: Outputs, matrix: ConfusionMatrix | None) -> None:
        """Report a test: mean outputs as (name, values, loss weight), and scores if there are."""


def train(
    recipe: Recipe,
    output: str | os.PathLike[str],
    start: Start | None = None,
    *,
    gpu: int | None = None,
    allow_python: Sequence[str] = (),
    force: bool = False,
    observer: Observer | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Train as `recipe` says and leave everything in the folder `output`.

    start           weights or snapshot to start from, by default neither; a run that continues from
                    a snapshot also continues in its data, unlike `caffe train`, and ends with the
                    weights of an unbroken run (Python layers of one's own start their data over)
    gpu             number of the GPU to compute on; None for the CPU
    allow_python    modules whose Python layers the nets may run
    force           remove an earlier run in `output`
    observer        receives notes, steps and tests
    stop            called after each iteration; returns true to end the run with a snapshot

    Raises `InputError` for input that cannot be used, for an `output` that holds a run already
    (unless `start.resume` or `force`), and for a loss that is NaN or infinite.
    """
    output = os.path.abspath(output)
    run_folder.refuse_inputs(output, recipe, start or Start())
    with claimed_folder(output):
        return _train(
            recipe,
            output,
            start or Start(),
            gpu,
            allow_python,
            force,
            observer or Observer(),
            stop,
        )


def _train(
    recipe: Recipe,
    output: str,
    start: Start,
    gpu: int | None,
    allow_python: Sequence[str],
    force: bool,
    observer: Observer,
    stop: Callable[[], bool],
) -> Outcome:
    for path in (recipe.solver, start.weights, start.snapshot):
        if path is not None and not os.path.isfile(path):
            raise InputError(f"{path}: there is no such file")
    if recipe.data is not None and not os.path.isdir(recipe.data):
        raise InputError(f"{recipe.data}: expected a dataset folder, there is none")
    if recipe.tensorboard:
        check_tensorboard()
    with contextlib.ExitStack() as stack:
        dataset = None if recipe.data is None else stack.enter_context(DatasetFolder(recipe.data))
        files = _prepare(recipe, dataset)
        settle_images(files, start.weights)
        names, palette = _classes(dataset, files)
        prefix = os.path.join(output, os.path.basename(files.solver.snapshot_prefix) or "snapshot")
        files.solver.snapshot_prefix = prefix
        run_folder.claim(output, prefix, start, force)
        if recipe.class_weights is not None:
            files.weigh_classes(recipe.class_weights, output)
    # From here on the dataset is the engine's: one process must not open an LMDB twice.
    snapshot = start.snapshot
    if start.resume:
        snapshot = _newest(prefix, files.solver, observer) or snapshot
    if snapshot is not None:
        resuming.start_python_layers(files, snapshots.read_iteration(snapshot))
    for note in files.notes:
        observer.note(note)
    if gpu is None and files.solver.HasField("solver_mode") and files.solver.solver_mode:
        observer.note("the solver asks for a GPU, but none was chosen: computing on the CPU")
    files.solver.solver_mode = pb.SolverParameter.CPU if gpu is None else pb.SolverParameter.GPU
    files.write(output, _IMAGE_SHAPE)
    run_folder.write_settings(output, files, names, palette)
    engine.use_device(gpu)
    solver = engine.open_solver(files.stepwise(), allow_python)
    unmatched = _load(solver, files, start.weights, snapshot, recipe.fill, observer)
    if snapshot is not None:
        for note in resuming.skip_batches(solver, files):
            observer.note(note)
    with open_log(output, files, solver.iter, recipe.tensorboard) as log:
        log.solving(files.train.name or "net", files.solver.lr_policy)
        if snapshot is not None:
            log.restoring(os.path.abspath(snapshot))
        draw = functools.partial(_draw, output, files.train.name)
        needed = [] if start.weights is None else [start.weights]
        if start.snapshot is not None:
            needed += [start.snapshot, snapshots.weights_of(start.snapshot)]
        keeper = Keeper(files.solver, recipe.snapshots, needed, start.resume)
        recorder = Recorder(solver, files, log, observer, keeper, draw, stop, names, unmatched)
        try:
            options = {"max_iter": files.solver.max_iter, "seed": files.solver.random_seed}
            engine.train(solver, recorder, options)
            recorder.finish()
        finally:
            draw()
    return Outcome(
        solver.iter,
        not recorder.stopped,
        recorder.last_weights,
        recorder.last_test_matrix,
        keeper.best,
    )


def _prepare(recipe: Recipe, dataset: DatasetFolder | None) -> RunFiles:
    """Return the `RunFiles` that `recipe` describes; only the output's paths are still missing."""
    files = RunFiles(recipe.solver, dataset)
    files.override(recipe.overrides)
    if not recipe.validate:
        files.drop_validation()
    if recipe.batch_size is not None:
        files.set_batch_size(recipe.batch_size)
    if recipe.augment is not None:
        files.augment(recipe.augment)
    if recipe.loss is not None:
        if recipe.class_weights is not None:
            raise InputError(
                "{loss} replaces the loss that {class_weights} would weigh: pass one of them",
                options={"loss": recipe.loss[0], "class_weights": recipe.class_weights},
            )
        replace_loss(files.train, *recipe.loss)
    files.set_sources()
    files.set_seed()
    if "test_iter" not in dict(recipe.overrides):
        files.set_test_iterations()
    set_intervals(files, files.images(files.train), recipe.epochs, recipe.snapshots)
    if recipe.snapshots.patience is not None and not any(map(nets.head, files.tests[:1])):
        raise InputError(
            f"{files.path}: {{option}} counts tests without a better mean IoU, but the run has no "
            "test net that scores classes",
            option="patience",
            value=recipe.snapshots.patience,
        )
    return files


def _classes(
    dataset: DatasetFolder | None, files: RunFiles
) -> tuple[Sequence[str], NDArray[np.uint8] | None]:
    """Return names and palette of the dataset's classes, () and None where it names none.

    Raises `InputError` where the labels, as far as they were counted, do not suit the net: Caffe
    would read past the scores of a pixel whose label is not a class of the net.
    """
    if dataset is None:
        return (), None
    palette = dataset.palette
    names: Sequence[str] = dataset.names or ()
    head = nets.head(files.train)
    ignore = None if head is None else head.ignore
    has_ignored = any(map(dataset.ignored_pixels, _SPLITS))
    if head is not None and ignore != dataset.ignore and has_ignored:
        raise InputError(
            f"{dataset.path}: its labels hold pixels to ignore ({dataset.ignore}), but the loss of "
            f"net {files.train.name!r} ignores {'none' if ignore is None else f'only {ignore}'}: "
            f"add loss_param {{ ignore_label: {dataset.ignore} }}"
        )
    counted = [pixels for pixels in map(dataset.class_pixels, _SPLITS) if pixels is not None]
    used = [int(index) for pixels in counted for index in np.flatnonzero(pixels) if index != ignore]
    if has_ignored and len(set(used)) == 1:
        files.notes.append(
            f"every label pixel is class {used[0]} or ignored ({dataset.ignore}), so there is "
            "nothing to tell apart: is a class stored as that value?"
        )
    needed = max(used, default=-1) + 1 if names else 0
    classes = nets.count_classes(files.train)
    if classes is not None and needed > classes:
        raise InputError(
            f"{dataset.path}: its labels go up to class {needed - 1} ({names[needed - 1]}), but "
            f"the net scores {classes} classes: set num_output of its scoring layer to {len(names)}"
        )
    if classes is not None and ignore == classes == len(names) - 1:
        names = names[:classes]  # the last one names the pixels that the loss ignores
    # A dataset with fewer classes than the network cannot name them all.
    return (names if classes in (None, len(names)) else ()), palette


def _newest(prefix: str, solver: pb.SolverParameter, observer: Observer) -> str | None:
    state, broken = snapshots.newest(prefix, solver)
    for path in broken:
        observer.note(f"{path} is not whole (was the run killed while writing it?): skipped")
    if state is None:
        observer.note(f"no snapshot {prefix}_iter_* to resume from: starting at the beginning")
    return state


def _load(
    solver: Solver,
    files: RunFiles,
    weights: str | os.PathLike[str] | None,
    snapshot: str | os.PathLike[str] | None,
    fill: str | None,
    observer: Observer,
) -> list[str]:
    """Give the net its first weights; returns the layers for which `weights` has none."""
    unmatched: list[str] = []
    if snapshot is not None:
        iteration = snapshots.restore(solver, snapshot)
        observer.note(f"continuing from {os.fspath(snapshot)}, iteration {iteration}")
        return unmatched
    if weights is not None:
        unmatched = copy_weights(solver.net, weights)
        if unmatched:
            observer.note(f"no weights of that name in {weights}: {', '.join(unmatched)}")
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
