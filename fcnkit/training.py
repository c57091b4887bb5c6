"""The recipe behind `train.py`: from a solver and a dataset to snapshots, a log and curves.

    train("solver.prototxt", "run", data="dataset", weights="fcn_alexnet.caffemodel")

Steps are the engine's; tests, displays, scores and snapshots are taken here, at the iterations that
the solver names, so that every engine leaves the same files.
"""

import collections
import functools
import json
import os
import tempfile

from caffeformat import InputError

from . import curves, diagnosis, engine, joint_data, networks, run_folder, snapshots
from .datasets import open_dataset
from .recorder import Recorder
from .training_files import RunFiles
from .training_log import TrainingLog
from .weights import copy_weights, fill_weights

Outcome = collections.namedtuple("Outcome", "iteration finished weights matrix")
Outcome.__doc__ = """How a training ended.

Steps done, whether that was all of them, the path of the last snapshot's weights (None without a
snapshot), and the `ConfusionMatrix` of the last test (None without a test net)."""


# The input of deploy.prototxt, height and width; inference reshapes it to each image.
_IMAGE_SHAPE = (500, 500)


class Observer:
    """What `train` tells while it runs. A subclass shows it; this one keeps silent."""

    def note(self, text):
        """Something to know: what was changed or is suspicious."""

    def step(self, iteration, max_iter, loss, matrix):
        """A step was taken: the running loss, and the scores since the last display (or None)."""

    def test(self, iteration, outputs, matrix):
        """A test ended: mean outputs as (name, values, loss weight), and scores (or None)."""


def train(
    solver,
    output,
    data=None,
    weights=None,
    snapshot=None,
    resume=False,
    augment=None,
    fill=None,
    class_weights=None,
    overrides=(),
    epochs=None,
    batch_size=None,
    validate=True,
    gpu=None,
    allow_python=(),
    force=False,
    observer=None,
    stop=lambda: False,
):
    """Train as the solver file `solver` says and leave everything in the folder `output`.

    `data`: dataset folder for layers without a source. Starts from `weights` (caffemodel), from
    `snapshot` (solver state), or with `resume` from the newest whole snapshot in `output`;
    SegmentationData layers then go on in their data, Data layers start over, as in Caffe.
    `augment`: options of SegmentationData (crop, scale, flip) that replaces the Data layers.
    `fill`: "xavier" or "msra" for layers that would start at zero. `class_weights`: weigh the loss
    by median-frequency weights to this power. `overrides`: (field, text) of the solver. `epochs`
    sets the number of iterations by the size of the dataset. `stop` is asked after each step; when
    it is true the run ends with a snapshot.

    Returns an `Outcome`. Raises `InputError` for input that cannot be used, an `output` that holds
    a run already (unless `resume` or `force`), and a loss that is no number any more.
    """
    observer = observer or Observer()
    output = os.path.abspath(output)
    for path in (solver, weights, snapshot):
        if path is not None and not os.path.isfile(path):
            raise InputError(f"{path}: there is no such file")
    if data is not None and not os.path.isdir(data):
        raise InputError(f"{data}: expected a dataset folder, there is none")
    files = _prepare(solver, data, augment, overrides, epochs, batch_size, validate)
    names, palette = _classes(data, files)
    prefix = os.path.join(output, os.path.basename(files.solver.snapshot_prefix) or "snapshot")
    files.solver.snapshot_prefix = prefix
    _claim(output, prefix, resume, force, needed=(weights, snapshot))
    if resume:
        snapshot = _newest(prefix, observer) or snapshot
    if snapshot is not None:
        joint_data.start_at(files, snapshots.read_iteration(snapshot))
    if class_weights is not None:
        files.weigh_classes(data, class_weights, output)
    for note in files.notes:
        observer.note(note)
    if gpu is None and files.solver.HasField("solver_mode") and files.solver.solver_mode:
        observer.note("the solver asks for a GPU; computing on the CPU (--gpu 0 takes the first)")
    files.solver.solver_mode = int(gpu is not None)
    files.write(output, _IMAGE_SHAPE)
    run_folder.write_settings(output, files, names, palette)
    engine.use_device(gpu)
    running = _open(files, output, allow_python)
    unmatched = _start(running, files, weights, snapshot, fill, observer)
    with TrainingLog(os.path.join(output, "train.log")) as log:
        log.solving(files.train.name or "net", files.solver.lr_policy)
        if snapshot is not None:
            log.restoring(os.path.abspath(snapshot))
        draw = functools.partial(_draw, output, files.train.name)
        recorder = Recorder(running, files, log, observer, draw, stop, names, unmatched)
        try:
            engine.train(running, recorder, {"max_iter": files.solver.max_iter})
            recorder.finish()
        finally:
            draw()
    return Outcome(
        running.iter, not recorder.stopped, recorder.last_weights, recorder.last_test_matrix
    )


def _prepare(solver, data, augment, overrides, epochs, batch_size, validate):
    """The `RunFiles` of the run with everything that was asked for, but for the output's paths."""
    files = RunFiles(solver)
    files.override(overrides)
    if not validate:
        files.drop_validation()
    if batch_size is not None:
        files.set_batch_size(batch_size)
    if augment is not None:
        joint_data.augment(files, data, augment)
    files.set_sources(data)
    files.set_seed()
    if "test_iter" not in dict(overrides):
        files.set_test_iterations()
    files.set_intervals(files.images(files.train), epochs)
    return files


def _classes(data, files):
    """Names and palette of the dataset's classes, () and None where nothing names them.

    Raises `InputError` where labels are not for this net, by what is known of them: Caffe would
    read past the scores of a pixel whose label is no class of the net.
    """
    if data is None:
        return (), None
    with open_dataset(data, "train") as dataset:
        names, palette = dataset.classes or (), dataset.palette
    splits = _manifest_splits(data)
    head = networks.head(files.train)
    if head is not None and head.ignore is None and any(s["ignored_pixels"] for s in splits):
        raise InputError(
            f"{data}: its labels hold pixels to ignore (255), but the loss of net "
            f"{files.train.name!r} ignores none: add loss_param {{ ignore_label: 255 }}"
        )
    used = {name for split in splits for name, count in split["class_pixels"].items() if count}
    needed = max((i + 1 for i, name in enumerate(names) if name in used), default=0)
    classes = joint_data.count_classes(files.train)
    if classes is not None and needed > classes:
        raise InputError(
            f"{data}: its labels go up to class {needed - 1} ({names[needed - 1]}), but the net "
            f"scores {classes} classes: set num_output of its scoring layer to {len(names)}"
        )
    # A dataset that knows fewer classes than the network cannot name them all.
    return (names if classes in (None, len(names)) else ()), palette


def _manifest_splits(data):
    """What create_lmdb's manifest counted in each split; empty for a dataset from elsewhere."""
    try:
        with open(os.path.join(data, "manifest.json"), encoding="utf-8") as file:
            splits = json.load(file)["splits"].values()
        return [{key: s[key] for key in ("class_pixels", "ignored_pixels")} for s in splits]
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return []


def _claim(output, prefix, resume, force, needed):
    """Make the output folder; what an earlier run left there goes only by `force`.

    Never what the new run needs, the files `needed`. A run that took no snapshot is no obstacle.
    """
    try:
        os.makedirs(output, exist_ok=True)
    except OSError as error:
        raise InputError(f"{output}: cannot write here: {error.strerror}") from error
    results = [os.path.join(output, name) for name in ("train.log", "curves.csv", "curves.png")]
    taken = snapshots.files(prefix)
    there = [path for path in results + taken if os.path.exists(path)]
    if not there or resume:
        return
    if not taken:
        # Nothing was learned that could be lost; what was written about it is put aside.
        for path in there:
            os.replace(path, f"{path}.before")
        return
    if not force:
        raise InputError(
            f"{there[0]} is from an earlier run: go on with --resume, choose another --output, or "
            "start over with --force, which removes that run"
        )
    for path in needed:
        if path is not None and os.path.abspath(path) in there:
            raise InputError(
                f"{path} is part of the run that --force would remove: choose another --output"
            )
    for path in there:
        os.remove(path)


def _newest(prefix, observer):
    state, broken = snapshots.newest(prefix)
    for path in broken:
        observer.note(f"{path} is not whole (was the run killed while it wrote?): left aside")
    if state is None:
        observer.note(f"no snapshot {prefix}_iter_* to resume from: starting at the beginning")
    return state


def _open(files, output, allow_python):
    # The engine reads a solver from a file; beside its nets, so that a failing engine names them.
    descriptor, path = tempfile.mkstemp(".prototxt", ".stepwise-", output)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(files.stepwise_text())
        return engine.open_solver(path, allow_python)
    finally:
        os.remove(path)


def _start(solver, files, weights, snapshot, fill, observer):
    """Give the net its first weights; returns the layers that found none in `weights`."""
    unmatched = []
    if snapshot is not None:
        observer.note(f"going on from {snapshot}, iteration {snapshots.restore(solver, snapshot)}")
        return unmatched
    if weights is not None:
        unmatched = copy_weights(solver.net, weights)
        if unmatched:
            observer.note(f"no weights of that name in {weights}: {', '.join(unmatched)}")
    zero = diagnosis.zero_layers(solver.net, files.train)
    if zero and fill:
        fill_weights(solver.net, files.train, zero, fill, files.solver.random_seed)
        observer.note(f"filled by {fill}, as they would have started at zero: {', '.join(zero)}")
    elif zero:
        stuck = diagnosis.stuck_layers(files.train, zero)
        for text in diagnosis.describe_zero_layers(zero, stuck):
            observer.note(text)
    return unmatched


def _draw(output, title):
    """Write curves.csv and curves.png of what the log holds."""
    rows = curves.parse_log(os.path.join(output, "train.log"))
    if rows:
        curves.write_csv(os.path.join(output, "curves.csv"), rows)
        curves.plot(os.path.join(output, "curves.png"), rows, title)
