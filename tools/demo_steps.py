"""The steps of the demo: the main job from an archive to scores, on shapes that it generates.

Every step is the one a user takes with the commands; the folder it leaves holds what each of them
leaves.
"""

import collections
import contextlib
import multiprocessing
import os
import shutil
import subprocess
import sys
import time

import numpy as np

from caffeformat import (
    InputError,
    filter_net,
    pb,
    read_caffemodel,
    read_net,
    read_solver,
    write_caffemodel,
    write_text,
)
from fcnkit import crops, data_prep, prototxt, shapes, training
from fcnkit.classes import read_class_names
from fcnkit.colour_baseline import ColourClassifier
from fcnkit.data_prep.lmdb_dataset import create_lmdb, find_splits
from fcnkit.datasets import open_dataset
from fcnkit.inference import Segmenter
from fcnkit.prototxt.shapes import CROP
from fcnkit.scoring import Scoreboard, predictions_and_labels, score
from fcnkit.segment_files import segment_files
from fcnkit.surgery import name_map, transplant

# Crops are stored larger than the classifier's input, which sees a random part of them.
_CROP_MARGIN = 8

Sizes = collections.namedtuple("Sizes", "train val classifier_iterations fcn_iterations")
FULL = Sizes(train=400, val=60, classifier_iterations=1600, fcn_iterations=800)

Outcome = collections.namedtuple("Outcome", "folder names boards seconds surgery")
Outcome.__doc__ = """What the demo leaves: its folder, the class names, a `Scoreboard` for each of
"fcn", "from scratch" and "colour", seconds for each step, and the surgery's lines."""


def foreground_iou(board):
    """Mean IoU over all classes but the background (index 0), NaN where none is there."""
    return float(np.nanmean(board.matrix.iou[1:]))


def _silent():
    return contextlib.nullcontext(training.Observer())


def _one_worker():
    """A pool of one process, with one thread, for what can be done beside the other steps.

    Steps of nets this small gain little from a second thread. What is still running when the
    `with` block ends is stopped.
    """
    return multiprocessing.get_context("spawn").Pool(1, _use_one_thread)


def _use_one_thread():
    # Runs before the engine, which would read it only once, is loaded.
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"


def _train(observe, solver, output, iterations, seed, options):
    """Train in the folder `output`; returns the path of the last weights."""
    settings = {
        "max_iter": iterations,
        "test_interval": iterations,
        "snapshot": iterations,
        "random_seed": seed,
    }
    with observe() as observer:
        outcome = training.train(
            solver,
            output,
            overrides=[(field, str(value)) for field, value in settings.items()],
            observer=observer,
            **options,
        )
    return outcome.weights


def run(folder, seed=1, sizes=FULL, tell=lambda text: None, observe=_silent):
    """Carry the job through in `folder`, which must not hold anything; returns an `Outcome`.

    `tell` gets a line before each step; `observe()` makes, for each training, a context manager
    that gives the `training.Observer` to show it.
    """
    if os.path.isdir(folder) and os.listdir(folder):
        raise InputError(f"{folder} holds something already: choose another folder or use --force")
    os.makedirs(folder, exist_ok=True)
    folder = os.path.abspath(folder)
    with _one_worker() as worker:
        job = _Job(folder, seed, sizes, tell, observe, worker)
        for step in (
            job.generate,
            job.prepare,
            job.make_lmdbs,
            job.train_classifier,
            job.operate,
            job.train_fcn,
            job.train_from_scratch,
            job.segment,
            job.score,
        ):
            job.take(step)
    return Outcome(folder, job.names, job.boards, job.seconds, job.surgery)


class _Job:
    """The steps; each leaves files under `folder` that the next ones start from."""

    def __init__(self, folder, seed, sizes, tell, observe, worker):
        self.folder, self.seed, self.sizes = folder, seed, sizes
        self.tell, self.observe, self.worker = tell, observe, worker
        self.names, self.boards, self.seconds = list(shapes.CLASSES), {}, {}
        self.surgery = []

    def take(self, step):
        title = step.__doc__.strip()
        self.tell(title)
        start = time.monotonic()
        step()
        self.seconds[title] = time.monotonic() - start

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def generate(self):
        """Generating an archive of shapes"""
        shapes.write_archive(self.path("shapes.tar"), self.sizes.train, self.sizes.val, self.seed)
        with open(self.path("classes.txt"), "w", encoding="utf-8") as file:
            file.writelines(f"{name}\n" for name in self.names)

    def prepare(self):
        """Preparing its images and labels"""
        script = os.path.join(os.path.dirname(data_prep.__file__), "prepare_pascal_voc_data.sh")
        # The interpreter that runs the demo is the one that the script is to find.
        path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
        done = subprocess.run(
            ["sh", script, self.path("shapes.tar"), self.path("voc")],
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise InputError(done.stderr.strip().removeprefix("error: "))
        for line in done.stdout.splitlines():
            self.tell(f"  {line}")

    def make_lmdbs(self):
        """Making LMDBs"""
        names = read_class_names(self.path("classes.txt"))
        train, val = find_splits(self.path("voc"))
        create_lmdb(train, val, self.path("lmdb"), names, workers=2)

    def train_classifier(self):
        """Training a classifier on crops"""
        arguments = self._fcn_training(_silent, "scratch")
        self.scratch_training = self.worker.apply_async(_train, arguments)
        random = np.random.RandomState(self.seed)
        boxes = crops.read_boxes(self.path("shapes.tar"), self.names)
        os.makedirs(self.path("crops"))
        sources = {}
        for split, turns in (("train", 4), ("val", 1)):
            sources[split] = self.path("crops", split)
            with open_dataset(self.path("lmdb"), split) as dataset:
                side = CROP + _CROP_MARGIN
                crops.write_crops(sources[split], dataset, boxes, side, turns, random)
        solver = self._classifier_solver(sources)
        iterations = self.sizes.classifier_iterations
        output = self.path("classifier")
        self.classifier = _train(self.observe, solver, output, iterations, self.seed, {})

    def _classifier_solver(self, sources):
        """Write the classifier's solver and net, with the crops as its data; returns the path."""
        net = read_net(prototxt.path("shapes_classifier", "train_val.prototxt"))
        for layer in net.layer:
            if layer.type == "Data":
                is_train = layer.include[0].phase == pb.TRAIN
                layer.data_param.source = sources["train" if is_train else "val"]
        write_text(self.path("crops", "train_val.prototxt"), net)
        solver = read_solver(prototxt.path("shapes_classifier", "solver.prototxt"))
        write_text(self.path("crops", "solver.prototxt"), solver)
        return self.path("crops", "solver.prototxt")

    def operate(self):
        """Net surgery: the classifier becomes an FCN"""
        target = filter_net(read_net(prototxt.path("fcn_shapes", "deploy.prototxt")), pb.TEST)
        names = name_map(["fc7=score_fr"])
        result = transplant(read_caffemodel(self.classifier), target, names, seed=self.seed)
        self.surgery = [str(step) for step in result.steps]
        for line in self.surgery:
            self.tell(f"  {line}")
        write_text(self.path("deploy.prototxt"), target)
        write_caffemodel(self.path("fcn_shapes.caffemodel"), result.weights, target)

    def train_fcn(self):
        """Training the FCN"""
        weights = self.path("fcn_shapes.caffemodel")
        self.fcn = _train(*self._fcn_training(self.observe, "fcn", weights=weights))

    def train_from_scratch(self):
        """Training the same FCN from scratch, to compare (begun beside the classifier)"""
        self.scratch = self.scratch_training.get()

    def _fcn_training(self, observe, output, **start):
        """Arguments of `_train`; `start` says what the training starts from."""
        options = {"data": self.path("lmdb"), "augment": {"flip": True}, **start}
        solver = prototxt.path("fcn_shapes", "solver.prototxt")
        iterations = self.sizes.fcn_iterations
        return observe, solver, self.path(output), iterations, self.seed, options

    def segment(self):
        """Painting masks of the validation images"""
        images = {}
        with open_dataset(self.path("lmdb"), "val") as dataset:
            for name in dataset.ids:
                images[name] = self.path("voc", "val", "images", f"{name}.jpg")
            segmenter = Segmenter(self.path("deploy.prototxt"), self.fcn)
            results = segment_files(
                segmenter, images, self.path("masks"), dataset.palette, self.names
            )
            errors = [result.error for result in results if result.error]
        if errors:
            raise InputError(errors[0])

    def score(self):
        """Scoring"""
        with open_dataset(self.path("lmdb"), "val") as dataset:
            for title, weights in (("fcn", self.fcn), ("from scratch", self.scratch)):
                segmenter = Segmenter(self.path("deploy.prototxt"), weights)
                samples = predictions_and_labels(segmenter, dataset)
                self.boards[title] = score(samples, len(self.names))
            self.boards["colour"] = self._colour_board(dataset)

    def _colour_board(self, dataset):
        classifier = ColourClassifier(len(self.names))
        with open_dataset(self.path("lmdb"), "train") as train:
            for i in range(len(train)):
                classifier.learn(train.image(i), train.label(i))
        board = Scoreboard(len(self.names))
        for i, name in enumerate(dataset.ids):
            board.add(name, classifier.class_map(dataset.image(i)), dataset.label(i))
        return board


def clear(folder):
    """Remove an earlier demo's `folder`; anything else that may be there is refused."""
    if not os.path.exists(folder):
        return
    if not os.path.exists(os.path.join(folder, "shapes.tar")) and os.listdir(folder):
        raise InputError(f"{folder} is not a demo's folder: it stays as it is; choose another")
    shutil.rmtree(folder)
