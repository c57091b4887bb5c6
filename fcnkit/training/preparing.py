"""What a run is, before anything runs: its files made from a recipe, checked against its data."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import InputError, pb
from fcnkit import nets
from fcnkit.datasets import DatasetFolder

from . import snapshots
from .augmented import crop_of, fit_whole_images
from .intervals import set_intervals
from .loss import replace_loss
from .plain_readers import fit_plain_readers, read_sizes_apart
from .run_files import RunFiles
from .together import check_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .observing import Observer
    from .settings import Recipe, Start

_SPLITS = ("train", "val")


def check_files(recipe: Recipe, start: Start) -> None:
    """Raise `InputError` for files and folders that are not there."""
    paths: list[str | os.PathLike[str] | None]
    paths = [*start.weights_files, start.snapshot]
    if recipe.solver or start.model is None:
        paths.insert(0, recipe.solver)
    for path in paths:
        if path is not None and not os.path.isfile(path):
            raise InputError(f"{path}: there is no such file")
    if recipe.data is not None and not os.path.isdir(recipe.data):
        raise InputError(f"{recipe.data}: expected a dataset folder, there is none")


def prepare_files(recipe: Recipe, dataset: DatasetFolder | None, solvers: int = 1) -> RunFiles:
    """Return the `RunFiles` that `recipe` describes; only the output's paths are still missing.

    `solvers` is the number of processes that train together.
    """
    files = RunFiles(recipe.solver, dataset)
    files.solvers = solvers
    files.override(recipe.overrides)
    if not recipe.validate:
        files.drop_validation()
    if recipe.augment is not None:
        files.augment(recipe.augment)
    if recipe.batch_size is not None:
        files.set_batch_size(recipe.batch_size)
    if recipe.loss is not None:
        if recipe.class_weights is not None:
            raise InputError(
                "{loss} replaces the loss that {class_weights} would weigh: pass one of them",
                options={"loss": recipe.loss[0], "class_weights": recipe.class_weights},
            )
        replace_loss(files.train, *recipe.loss)
    files.set_sources()
    fit_plain_readers(files)
    for net, _ in files.splits():
        fit_whole_images(net, crop_of(files.train))
    files.set_seed()
    if "test_iter" not in dict(recipe.overrides):
        read_sizes_apart(files)
        files.set_test_iterations()
    images = files.images(files.train)
    check_share(files, images, solvers)
    set_intervals(files, images, recipe.epochs, recipe.snapshots)
    if recipe.snapshots.patience is not None and not any(map(nets.head, files.tests[:1])):
        raise InputError(
            f"{files.path}: {{option}} counts tests without a better mean IoU, but the run has no "
            "test net that scores classes",
            option="patience",
            value=recipe.snapshots.patience,
        )
    return files


def classes_of(
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


def newest_snapshot(prefix: str, solver: pb.SolverParameter, observer: Observer) -> str | None:
    state, broken = snapshots.newest(prefix, solver)
    for path in broken:
        observer.note(f"{path} is not whole (was the run killed while writing it?): skipped")
    if state is None:
        observer.note(f"no snapshot {prefix}_iter_* to resume from: starting at the beginning")
    return state
