"""The steps of the demo: from an archive to scores, on shapes that it generates.

Each step does what a user does with one of the commands; the folder holds what each of them leaves.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import shutil
import time
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import (
    InputError,
    filter_net,
    pb,
    read_caffemodel,
    read_net,
    write_caffemodel,
    write_text,
)
from caffeformat.files import claimed_folder, entries_of
from caffeformat.processes import importing_safely
from fcnkit import zoo
from fcnkit.data_prep import create_lmdb, find_splits, prepare_voc
from fcnkit.datasets import DatasetFolder
from fcnkit.images import read_class_names
from fcnkit.inference import Scoreboard, Segmenter, predictions_and_labels, score, segment_files
from fcnkit.surgery import name_map, transplant
from fcnkit.training import Observer, Recipe, Start, train

from . import generated_shapes
from .classifier_files import write_classifier_files
from .colour_baseline import ColourClassifier

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.pool import AsyncResult, Pool

    from fcnkit.datasets import SegmentationDataset


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much the demo does: images to generate, iterations to train."""

    train: int
    val: int
    classifier_iterations: int
    fcn_iterations: int


FULL = Sizes(train=400, val=60, classifier_iterations=1600, fcn_iterations=800)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What the demo leaves.

    folder      that holds everything
    names       class names
    boards      scores of "fcn", "from scratch" and "colour"
    seconds     that each step took, by its title
    surgery     what net surgery did, in lines
    """

    folder: str
    names: list[str]
    boards: dict[str, Scoreboard]
    seconds: dict[str, float]
    surgery: list[str]


def foreground_iou(board: Scoreboard) -> float:
    """Return the mean IoU over all classes but the background (index 0), NaN if none occurs."""
    return float(np.nanmean(board.matrix.iou[1:]))


# All that a demo leaves in its folder.
_LEFT = (
    "shapes.tar", "classes.txt", "voc", "lmdb", "crops", "classifier", "scratch", "fcn", "masks",
    "deploy.prototxt", "fcn_shapes.caffemodel", "report.html",
)  # fmt: skip


def _one_worker() -> Pool:
    """Return a pool of one process, with one thread, for work beside the other steps.

    Nets this small gain little from a second thread. Work that is unfinished when the `with` block
    ends is stopped.
    """
    with importing_safely():
        return multiprocessing.get_context("spawn").Pool(1, _use_one_thread)


def _use_one_thread() -> None:
    # Runs before the engine is loaded, which reads these only once.
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"


def _train(recipe: Recipe, output: str, start: Start, observer: Observer) -> str:
    """Train in the folder `output`; returns the path of the last weights."""
    weights = train(recipe, output, start, observer=observer).weights
    assert weights is not None, "the solver takes a snapshot after its last step"
    return weights


def _settings(iterations: int, seed: int) -> list[tuple[str, str]]:
    """Return the fields of a solver that the demo sets."""
    fields = {
        "max_iter": iterations,
        "test_interval": iterations,
        "snapshot": iterations,
        "random_seed": seed,
    }
    return [(field, str(value)) for field, value in fields.items()]


def run(
    folder: str | os.PathLike[str],
    seed: int = 1,
    sizes: Sizes = FULL,
    observer: Observer | None = None,
) -> Outcome:
    """Run all steps in `folder`, which must be empty or missing.

    `observer` gets a note per step, and the progress of the training runs. Raises `InputError`
    where `folder` holds something.
    """
    with claimed_folder(folder):
        return _run(folder, seed, sizes, observer or Observer())


def _run(folder: str | os.PathLike[str], seed: int, sizes: Sizes, observer: Observer) -> Outcome:
    if entries_of(folder):
        raise InputError(
            f"{os.fspath(folder)} is not empty: choose another folder, or pass {{force}} to "
            "replace an earlier demo",
            option="force",
            value=True,
        )
    folder = os.path.abspath(folder)
    with _one_worker() as worker:
        job = _Job(folder, seed, sizes, observer, worker)
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

    def __init__(
        self, folder: str, seed: int, sizes: Sizes, observer: Observer, worker: Pool
    ) -> None:
        self.folder, self.seed, self.sizes = folder, seed, sizes
        self.observer, self.worker = observer, worker
        self.names = list(generated_shapes.CLASSES)
        self.boards: dict[str, Scoreboard] = {}
        self.seconds: dict[str, float] = {}
        self.surgery: list[str] = []
        # Weights: of the classifier, of the FCN, and of the FCN trained from scratch.
        self.classifier = self.fcn = self.scratch = ""
        self.scratch_training: AsyncResult[str] | None = None

    def take(self, step: Callable[[], None]) -> None:
        """Run one step, titled by its docstring."""
        title = (step.__doc__ or "").strip()
        self.observer.note(title)
        start = time.monotonic()
        step()
        self.seconds[title] = time.monotonic() - start

    def path(self, *parts: str) -> str:
        return os.path.join(self.folder, *parts)

    def generate(self) -> None:
        """Generating an archive of shapes"""
        generated_shapes.write_archive(
            self.path("shapes.tar"), self.sizes.train, self.sizes.val, self.seed
        )
        with open(self.path("classes.txt"), "w", encoding="utf-8") as file:
            file.writelines(f"{name}\n" for name in self.names)

    def prepare(self) -> None:
        """Preparing its images and labels"""
        prepare_voc(self.path("shapes.tar"), self.path("voc"), progress=self.observer)

    def make_lmdbs(self) -> None:
        """Making LMDBs"""
        names = read_class_names(self.path("classes.txt"))
        train, val = find_splits(self.path("voc"))
        assert val is not None, "the archive has both splits"
        create_lmdb(train, val, self.path("lmdb"), names, workers=2)

    def train_classifier(self) -> None:
        """Training a classifier on crops"""
        scratch = self._fcn_recipe(), self.path("scratch"), Start(), Observer()
        self.scratch_training = self.worker.apply_async(_train, scratch)
        solver = write_classifier_files(
            self.path("shapes.tar"), self.path("lmdb"), self.path("crops"), self.seed
        )
        settings = _settings(self.sizes.classifier_iterations, self.seed)
        recipe = Recipe(solver, overrides=settings)
        self.classifier = _train(recipe, self.path("classifier"), Start(), self.observer)

    def operate(self) -> None:
        """Net surgery: the classifier becomes an FCN"""
        target = filter_net(read_net(zoo.path("fcn_shapes", "deploy.prototxt")), pb.TEST)
        names = name_map(["fc7=score_fr"])
        result = transplant(read_caffemodel(self.classifier), target, names, seed=self.seed)
        self.surgery = [str(step) for step in result.steps]
        for line in self.surgery:
            self.observer.note(f"  {line}")
        write_text(self.path("deploy.prototxt"), target)
        write_caffemodel(self.path("fcn_shapes.caffemodel"), result.weights, target)

    def train_fcn(self) -> None:
        """Training the FCN"""
        start = Start(weights=self.path("fcn_shapes.caffemodel"))
        self.fcn = _train(self._fcn_recipe(), self.path("fcn"), start, self.observer)

    def train_from_scratch(self) -> None:
        """Training the same FCN from scratch, to compare (begun beside the classifier)"""
        assert self.scratch_training is not None
        self.scratch = self.scratch_training.get()

    def _fcn_recipe(self) -> Recipe:
        return Recipe(
            zoo.path("fcn_shapes", "solver.prototxt"),
            data=self.path("lmdb"),
            augment={"flip": True},
            overrides=_settings(self.sizes.fcn_iterations, self.seed),
        )

    def segment(self) -> None:
        """Painting masks of the validation images"""
        images = {}
        with DatasetFolder(self.path("lmdb")) as dataset:
            for name in dataset.split("val").ids:
                images[name] = self.path("voc", "val", "images", f"{name}.jpg")
            segmenter = Segmenter(self.path("deploy.prototxt"), self.fcn)
            results = segment_files(
                segmenter, images, self.path("masks"), dataset.palette, self.names
            )
            errors = [result.error for result in results if result.error]
        if errors:
            raise InputError(errors[0])

    def score(self) -> None:
        """Scoring"""
        with DatasetFolder(self.path("lmdb")) as dataset:
            val = dataset.split("val")
            for title, weights in (("fcn", self.fcn), ("from scratch", self.scratch)):
                segmenter = Segmenter(self.path("deploy.prototxt"), weights)
                samples = predictions_and_labels(segmenter, val)
                self.boards[title] = score(samples, len(self.names))
            self.boards["colour"] = self._colour_board(dataset.split("train"), val)

    def _colour_board(self, train: SegmentationDataset, val: SegmentationDataset) -> Scoreboard:
        classifier = ColourClassifier(len(self.names))
        for i in range(len(train)):
            classifier.learn(train.image(i), train.label(i))
        board = Scoreboard(len(self.names))
        for i, name in enumerate(val.ids):
            board.add(name, classifier.class_map(val.image(i)), val.label(i))
        return board


def clear(folder: str | os.PathLike[str]) -> None:
    """Remove the `folder` of an earlier demo; raises `InputError` for a folder of anything else."""
    if not os.path.exists(folder):
        return
    with claimed_folder(folder):
        held = entries_of(folder)
        others = [name for name in held if name not in _LEFT]
        if others:
            raise InputError(
                f"{os.fspath(folder)} is not a demo's folder, or holds more than a demo leaves "
                f"({', '.join(others[:3])}): it is left as it is; choose another"
            )
        for name in held:
            path = os.path.join(folder, name)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.remove(path)
