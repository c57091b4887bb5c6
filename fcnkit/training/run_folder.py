"""The output folder of a training run, as inference reads it: net, weights and input settings.

A deploy net cannot hold the mean and scale of the training net's data layers; `inference.json`
beside it does, together with the names and colours of the classes.
"""

from __future__ import annotations

import contextlib
import glob
import math
import os
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import DAMAGE, FormatError, InputError, read_solver, reason
from caffeformat.files import entries_of, refuse_overlap
from fcnkit import nets
from fcnkit.files import read_json_object, write_json
from fcnkit.images import IGNORE_LABEL, ImageForm, check_bands, full_palette
from fcnkit.inference import TrainedNet

from . import setting_aside, snapshots
from .keeping import RECORD
from .loss import FILE_NAME as CLASS_WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from .run_files import RunFiles
    from .settings import Recipe, Start

FILE_NAME = "inference.json"
EVENTS = "tensorboard"  # folder of event files
# Folder of the model that the run continues: its files, and the solver and net made from them.
MODEL, MODEL_FILES, MODEL_TRAINING = "digits_model", "files", "training"
# What is said where a killed process had set an earlier run aside.
BACK = (
    "{}: the earlier run is back, as the process that was to replace it ended before its first step"
)

# What a run writes besides snapshots and events: its results, and what they are results of.
_RESULTS = ("train.log", "curves.csv", "curves.png", RECORD)
_SETTINGS = (FILE_NAME, CLASS_WEIGHTS)
_WRITTEN = re.compile(r"(solver|train|val(_\d+)?|deploy)\.prototxt")


def refuse_inputs(output: str, recipe: Recipe, start: Start) -> None:
    """Raise `InputError` where a run in the folder `output` would replace what it reads.

    A run that resumes may read its own solver and nets.
    """
    refuse_overlap(output, [recipe.data, None if start.model is None else start.model.path])
    if start.resume:
        return
    files = [os.fspath(recipe.solver)]
    with contextlib.suppress(InputError):  # told later, with more to say
        solver = read_solver(recipe.solver)
        beside = os.path.dirname(files[0])
        for path in filter(None, [solver.net, solver.train_net, *solver.test_net]):
            files.append(path if os.path.exists(path) else os.path.join(beside, path))
    for path in files:
        folder, name = os.path.split(os.path.realpath(path))
        if path and folder == os.path.realpath(output) and _WRITTEN.fullmatch(name):
            raise InputError(
                f"{path}: would be replaced by the run's own {name}: choose another output folder, "
                "or pass {option} to continue that run",
                option="resume",
                value=True,
            )


def own_files(output: str) -> list[str]:
    """The files of a run that are in `output`, but for its snapshots."""
    names = os.listdir(output) if os.path.isdir(output) else []
    written = sorted(name for name in names if _WRITTEN.fullmatch(name) or name in _SETTINGS)
    found = _results(output) + [os.path.join(output, name) for name in written]
    return [path for path in found if os.path.isfile(path)]


def own_paths(output: str) -> list[str]:
    """`own_files`, and the folder with the model that a run continues."""
    folder = os.path.join(output, MODEL)
    is_ours = os.path.isdir(folder) and {MODEL_FILES, MODEL_TRAINING}.issuperset(entries_of(folder))
    return own_files(output) + [path for path in [folder] if is_ours]


def _results(output: str) -> list[str]:
    """The log, curves, record and event files that are in `output`."""
    found = [os.path.join(output, name) for name in _RESULTS]
    found += sorted(glob.glob(os.path.join(glob.escape(output), EVENTS, "*tfevents*")))
    return [path for path in found if os.path.exists(path)]


def _snapshots(prefix: str) -> list[str]:
    """The snapshots of `prefix`, and the best weights."""
    best = snapshots.best_path(prefix)
    return snapshots.files(prefix) + [path for path in [best] if os.path.exists(path)]


def _other_snapshots(output: str, prefix: str) -> list[str]:
    """The snapshots of a run that is in `output` and had another prefix than `prefix`."""
    try:
        solver = read_solver(os.path.join(output, "solver.prototxt"))
    except InputError:
        return []
    other = os.path.join(output, os.path.basename(solver.snapshot_prefix) or "snapshot")
    return [] if other == prefix else _snapshots(other)


def bring_back(output: str) -> bool:
    """Bring back what a killed process had set aside in `output`, whose lock the caller holds.

    Returns whether there was anything; see `setting_aside.bring_back`.
    """
    return setting_aside.bring_back(output, lambda: own_paths(output))


def settle(output: str) -> bool:
    """`bring_back` for those who hold no lock: not where a process is at work in `output`.

    `output` may also be a stage, or a log, that was set aside in the folder around it.
    """
    has_returned = setting_aside.settle(output, lambda: own_paths(output))
    return settle_around(output) or has_returned


def settle_around(output: str) -> bool:
    """`settle` where `output` is a stage that was set aside in the folder around it."""
    return setting_aside.settle_around(output, own_paths)


def needed_files(start: Start) -> list[str]:
    """The files that a run starts from, which it never removes."""
    files = start.weights_files
    if start.snapshot is not None:
        state = os.fspath(start.snapshot)
        files += [state, snapshots.weights_of(state)]
    return files


def set_aside(output: str) -> AbstractContextManager[setting_aside.Aside]:
    """What of an earlier run in `output` is out of the way until the block ends."""
    return setting_aside.set_aside(output, lambda: own_paths(output))


def claim(
    output: str,
    prefix: str,
    start: Start,
    force: bool,
    files: RunFiles,
    aside: setting_aside.Aside,
    *,
    weighs: bool = False,
) -> None:
    """Set an earlier run in the output folder aside: with `force`, or if it took no snapshot.

    Its snapshots are those of `prefix`; of another one, which its own solver names, they stay.
    It is moved to `aside`, unless `start` continues it. Of a run without snapshots nothing is lost:
    log and curves stay as `train.log.before` and so on.

    Raises `InputError` where `force` is missing, where `start` would continue a run of another
    prefix, and where the new run, with `files`, starts from something that would go. What its nets
    read stays, unless they write it anew (`weighs`: the class weights).
    """
    results, taken, others = _results(output), _snapshots(prefix), _other_snapshots(output, prefix)
    there = results + taken
    if start.resume and others and not taken and start.snapshot is None:
        raise InputError(
            f"{others[0]} is from a run with another snapshot_prefix than "
            f"{os.path.basename(prefix)}: to continue it, pass the solver that it began with, "
            "otherwise choose another output folder"
        )
    if start.resume or not (there or others):
        return
    if (taken or others) and not force:
        raise InputError(
            f"{[*there, *others][0]} is from an earlier run: pass {{resume}} to continue it or "
            "{force} to replace it, or choose another output folder",
            options={"resume": True, "force": True},
        )
    replaced = set(map(os.path.realpath, there if taken else ()))
    for needed in [*needed_files(start), *files.solver.weights]:
        if os.path.realpath(needed) in replaced:
            raise InputError(
                f"{needed} is part of the earlier run, which {{force}} would remove: choose "
                "another output folder",
                option="force",
                value=True,
            )
    read = set() if weighs else {os.path.realpath(path) for path in _matrices(files)}
    own = own_files(output) + list(filter(os.path.isfile, taken))
    paths = [path for path in own if os.path.realpath(path) not in read]
    aside.move(paths, () if taken else results)


def _matrices(files: RunFiles) -> list[str]:
    """The files of weights of classes that the nets read."""
    layers = [layer for net in (files.train, *files.tests) for layer in net.layer]
    return [layer.infogain_loss_param.source for layer in layers if layer.type == "InfogainLoss"]


def write_settings(
    folder: str,
    files: RunFiles,
    names: Sequence[str] | None = None,
    palette: NDArray[np.uint8] | None = None,
) -> None:
    """Write `inference.json` for the run of `files`, whose nets are in `folder`."""
    mean, scale = files.input_settings()
    settings: dict[str, Any] = {"mean": mean, "scale": scale}
    settings["classes"] = list(names) if names else None
    head = nets.head(files.train)
    if head is not None and head.ignore is not None and head.ignore != IGNORE_LABEL:
        settings["ignore"] = head.ignore
    if palette is not None:
        settings["palette"] = np.asarray(palette).tolist()
    form = files.form
    images: dict[str, Any] = {"channels": form.channels, "depth": form.depth, "white": form.white}
    images["bands"] = None if files.bands is None else list(files.bands)
    settings.update({key: value for key, value in images.items() if value is not None})
    write_json(os.path.join(folder, FILE_NAME), settings)


def read_run(folder: str | os.PathLike[str], snapshot: int | str = "newest") -> TrainedNet:
    """Read the trained network in `folder`, an output of `train`.

    `snapshot` chooses its weights: "newest" is the newest whole snapshot, "best" has the best mean
    IoU of the validation images so far, a number is the iteration of a snapshot.

    Raises `InputError` where it is not such a folder or does not hold that snapshot, `FormatError`
    for damaged settings.
    """
    folder = os.fspath(folder)
    settle(folder)
    path = os.path.join(folder, FILE_NAME)
    if not os.path.isfile(path):
        raise InputError(f"{folder}: is not an output of train: there is no {path}")
    settings = read_json_object(path)
    try:
        mean, scale = settings["mean"], float(settings["scale"])
        names, palette = settings["classes"], settings.get("palette")
        ignore = settings.get("ignore")
        ignore = None if ignore is None else int(ignore)
        mean = None if mean is None else [float(value) for value in mean]
        palette = None if palette is None else full_palette(palette)
        if not all(math.isfinite(value) for value in [scale, *(mean or ())]):
            raise ValueError("mean and scale have to be finite numbers")
        if not (names is None or _are_texts(names)):
            raise ValueError("classes have to be a list of names")
        form, bands = _images_of(settings)
    except DAMAGE as error:
        raise FormatError(
            path,
            f"is damaged ({reason(error)}): pass {{net}}, {{weights}} and {{mean}} instead of the "
            "run",
            options={"net": None, "weights": None, "mean": None},
        ) from error
    weights = _weights(folder, str(snapshot))
    net = os.path.join(folder, "deploy.prototxt")
    return TrainedNet(net, weights, mean, scale, names, palette, ignore, form, bands)


def _weights(folder: str, snapshot: str) -> str:
    """Return the path of the weights that `read_run` is to read."""
    solver = read_solver(os.path.join(folder, "solver.prototxt"))
    prefix = os.path.join(folder, os.path.basename(solver.snapshot_prefix))
    name = os.path.basename(prefix)
    if snapshot == "newest":
        state, _ = snapshots.newest(prefix, solver)
        if state is None:
            raise InputError(f"{folder}: holds no whole snapshot {name}_iter_*")
        return snapshots.weights_of(state)
    if snapshot == "best":
        best = snapshots.best_path(prefix)
        if os.path.isfile(best):
            return best
        raise InputError(
            f"{folder}: holds no {os.path.basename(best)}: a run has one from its first test after "
            "a step on, if it tests a net that scores classes"
        )
    if not re.fullmatch("[0-9]{1,18}", snapshot):
        raise InputError(
            "{option}: expected newest, best, or the iteration of a snapshot",
            option="snapshot",
            value=snapshot,
        )
    for hdf5 in (False, True):
        weights, _ = snapshots.paths(prefix, int(snapshot), hdf5)
        if os.path.isfile(weights):
            return weights
    there = ", ".join(map(str, snapshots.iterations(prefix))) or "none"
    raise InputError(
        f"{folder}: holds no snapshot {name}_iter_{int(snapshot)}; there are those of iteration "
        f"{there}"
    )


def _images_of(settings: Mapping[str, Any]) -> tuple[ImageForm, tuple[int, ...] | None]:
    """The form of the run's images, and the channels to show; ValueError for what is damaged."""
    channels, depth, white = (settings.get(key) for key in ("channels", "depth", "white"))
    bands = settings.get("bands")
    try:
        form = ImageForm(
            None if channels is None else int(channels),
            None if depth is None else str(depth),
            None if white is None else float(white),
        )
        if bands is not None:
            bands = tuple(int(band) for band in bands)
            check_bands(bands, form.channels)
    except InputError as error:
        raise ValueError(str(error)) from error
    return form, bands


def _are_texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)
