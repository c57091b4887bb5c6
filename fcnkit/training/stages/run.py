"""Trains FCN-32s, then 16s from its weights, then 8s from those; any family of networks will do.

    stages = [Stage("voc_fcn32s", Recipe(path)), Stage("voc_fcn16s", Recipe(other)), ...]
    list(train_stages(stages, "run", "dataset", Start(weights="vgg16.caffemodel")))

Each stage is a training run in a folder of its own. It starts from the previous stage's last
weights, with the scores of new skips at zero, so that its first masks are the previous stage's
last ones. How far this holds is measured on the validation images before the stage trains. Results
are recorded as they come, so that a killed run continues where it was.
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import InputError, pb, read_caffemodel, write_caffemodel, write_text
from caffeformat.files import claimed_folder, refuse_overlap
from caffeformat.messages import distinct_layers
from fcnkit import engine
from fcnkit.datasets import DatasetFolder
from fcnkit.files import write_json
from fcnkit.images import ImageForm, read_label, write_label
from fcnkit.inference import SUMMARY, Scoreboard, TrainedNet
from fcnkit.nets import count_classes
from fcnkit.surgery import transplant

from ..observing import Beginning, Observer
from ..recipe import train
from ..run_files import RunFiles
from ..run_folder import BACK, read_run
from ..settings import Recipe, Start
from .checks import check_settings, check_stages, ignored_label, only_weights, start_net
from .folders import (
    RECORD,
    START_NET,
    START_WEIGHTS,
    bring_back,
    earlier_stages,
    new_folder,
    read_record,
    set_aside,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from fcnkit.surgery import Transplant

    from ..running import Outcome

    Path = str | os.PathLike[str]

# In a stage's folder: its first and its last masks of the validation images.
_FIRST_MASKS, _MASKS = "first_masks", "masks"


@dataclasses.dataclass(frozen=True)
class Stage:
    """A stage to train: the name of its folder, its recipe, and which weights it starts from.

    The recipe's `data` may be left out: `train_stages` sets it. `after` says which weights of the
    previous stage it starts from, as `read_run` names them: "newest" or "best". `settings` are what
    decides its weights, in words (key -> text): they are recorded in its folder, and a stage that
    was begun with others is not continued. None: whoever resumes answers for that.
    """

    name: str
    recipe: Recipe
    after: str = "newest"
    settings: Mapping[str, str] | None = None


@dataclasses.dataclass(frozen=True)
class StageResult:
    """How a stage went.

    name        of the stage
    folder      with all that it left
    agreement   share of validation pixels on which its first masks agree with the previous stage's
                last ones; None for the first stage, and where the two stages have other data
    start       scores of its first masks (pixel_accuracy, mean_iou, ...); None for the first stage
    end         scores of its last masks; None while it has not finished
    """

    name: str
    folder: str
    agreement: float | None
    start: dict[str, float] | None
    end: dict[str, float] | None


def train_stages(
    stages: Sequence[Stage],
    output: Path,
    data: Path | None,
    start: Start | None = None,
    *,
    gpu: int | Sequence[int] | str | engine.Devices | None = None,
    allow_python: Sequence[str] = (),
    force: bool = False,
    observer: Observer | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[StageResult]:
    """Train `stages` one after another in `output`; yields a `StageResult` after each.

    data        dataset folder that the nets read and whose validation images are segmented, for
                stages whose recipe names none
    start       weights for the first stage, for instance a classifier's; with `resume`, stages that
                are done are skipped and the first that is not continues
    gpu         devices to train on, as for `train`; masks are made on the first of them
    allow_python
                modules whose Python layers the nets may run
    force       replace an earlier run in `output`: it is removed once the new one has taken its
                first step, and is back where that one ends before
    observer    receives the notes, steps and tests of all stages
    stop        called after each iteration; where it returns true, the run ends with a snapshot and
                a last result without `end`, or without any of them where that is the first and the
                run replaces an earlier one, which is back then

    Raises `InputError` as `train` and `check_stages` do, and where `output` holds stages already.
    torchrun cannot start it: between the stages one process works.
    """
    if engine.has_launched():
        raise InputError(
            "torchrun has started this process among several, but stages start theirs themselves: "
            "run the command alone, and pass {option}",
            option="gpu",
            value="all",
        )
    devices = engine.devices_of(gpu)
    start, observer = start or Start(), observer or Observer()
    if start.snapshot is not None:
        raise InputError("stages start from weights; a snapshot belongs to one of them")
    output = os.path.abspath(output)
    places = [stage.recipe.data or data for stage in stages]
    for stage, place in zip(stages, places):
        if place is None:
            raise InputError(f"stage {stage.name} has no dataset: pass {{option}}", option="data")
    refuse_overlap(output, places)
    with claimed_folder(output):
        if bring_back(output):
            observer.note(BACK.format(output))
        datasets = [DatasetFolder(os.path.abspath(place)) for place in places if place is not None]
        yield from _train(
            stages, output, datasets, start, devices, allow_python, force, observer, stop
        )


def _train(
    stages: Sequence[Stage],
    output: str,
    datasets: Sequence[DatasetFolder],
    start: Start,
    devices: engine.Devices,
    allow_python: Sequence[str],
    force: bool,
    observer: Observer,
    stop: Callable[[], bool],
) -> Iterator[StageResult]:
    folders = [os.path.join(output, stage.name) for stage in stages]
    weights = only_weights(start)
    earlier = [] if start.resume else earlier_stages(folders, force, weights)
    has_begun = start.resume and os.path.exists(os.path.join(folders[0], RECORD))
    if (
        has_begun
        and weights is not None
        and not os.path.exists(os.path.join(folders[0], START_WEIGHTS))
    ):
        raise InputError(
            f"{folders[0]} began without weights, so {weights} comes too late: "
            "resume without {weights}, or start over with {force}",
            options={"weights": None, "force": True},
        )
    if start.resume:
        for stage, folder in zip(stages, folders):
            check_settings(stage, folder)
    # Each use of a dataset closes it: one process must not open an LMDB twice.
    check_stages(stages, datasets, None if has_begun else weights)
    with set_aside(earlier) as remove_earlier:
        beginning = Beginning(observer, remove_earlier, replaces=bool(earlier))
        previous: _StageRun | None = None
        for stage, folder, dataset in zip(stages, folders, datasets):
            recipe = dataclasses.replace(stage.recipe, data=dataset.path)
            whole = dataclasses.replace(stage, recipe=recipe)
            run = _StageRun(whole, folder, dataset, previous, weights, devices, allow_python)
            if not run.record.get("end"):
                run.prepare()
                for note in run.notes:
                    observer.note(note)
                outcome = run.train(start.resume, beginning, stop)
                if outcome.withdrawn:
                    return
                beginning.begin()  # a stage may be done without a step
                if not outcome.finished:
                    yield run.result()
                    return
                run.finish()
            yield run.result()
            previous = run


class _StageRun:
    """One stage: surgery, scores of the first masks, training, scores and masks of the last."""

    def __init__(
        self,
        stage: Stage,
        folder: str,
        dataset: DatasetFolder,
        previous: _StageRun | None,
        weights: Path | None,
        devices: engine.Devices,
        allow_python: Sequence[str],
    ) -> None:
        self.stage, self.folder, self.dataset = stage, folder, dataset
        self.previous, self.weights = previous, weights
        self.devices, self.allow_python = devices, allow_python
        self.record = read_record(folder)
        self.notes: list[str] = []

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def result(self) -> StageResult:
        """Return the `StageResult` so far."""
        record = self.record
        return StageResult(
            self.stage.name,
            self.folder,
            record.get("agreement"),
            record.get("start"),
            record.get("end"),
        )

    def prepare(self) -> None:
        """Write the weights to start from; in a later stage, score the masks that they give."""
        if self.record:
            return
        os.makedirs(self.folder, exist_ok=True)
        record: dict[str, Any] = {"agreement": None, "start": None, "end": None}
        if self.stage.settings is not None:
            record["settings"] = dict(self.stage.settings)
        source, form = self.weights, ImageForm()
        if self.previous is not None:
            before_it = read_run(self.previous.folder, self.stage.after)
            source, form = before_it.weights, before_it.form
        if source is not None:
            mean, scale = self._operate(source)
            if self.previous is not None:
                first = TrainedNet(
                    self.path(START_NET), self.path(START_WEIGHTS), mean, scale, form=form
                )
                same_data = self.previous.dataset.path == self.dataset.path
                before = self.previous.path(_MASKS) if same_data else None
                board, same = self._score(first, _FIRST_MASKS, compare=before)
                record.update(start=_summary(board), agreement=same)
        self._write_record(record)

    def _operate(self, source: Path) -> tuple[list[float] | None, float]:
        """Transplant the weights `source`; returns mean and scale of the net's input."""
        files = RunFiles(self.stage.recipe.solver)
        with self.dataset:
            net = start_net(files, self.dataset)
        result = transplant(read_caffemodel(source), net)
        if self.previous is not None:
            _silence_new_scores(result, net, count_classes(files.train))
        filled = ", ".join(dict.fromkeys(step.target for step in result.filled if step.target))
        if filled:
            self.notes.append(f"new layers, not in {os.fspath(source)}: {filled}")
        write_text(self.path(START_NET), net)
        write_caffemodel(self.path(START_WEIGHTS), result.weights, net)
        return files.input_settings()

    def train(self, resume: bool, observer: Observer, stop: Callable[[], bool]) -> Outcome:
        """Train, with `resume` from the newest snapshot."""
        weights = self.path(START_WEIGHTS)
        start = Start(
            weights=weights if os.path.exists(weights) else None,
            resume=resume and os.path.exists(self.path("train.log")),
        )
        recipe = self.stage.recipe
        return train(
            recipe,
            self.folder,
            start,
            gpu=self.devices,
            allow_python=self.allow_python,
            observer=observer,
            stop=stop,
        )

    def finish(self) -> None:
        """Score the trained net and keep its masks of the validation images."""
        board, _ = self._score(read_run(self.folder), _MASKS)
        self._write_record({**self.record, "end": _summary(board)})

    def _score(
        self, trained: TrainedNet, masks: str, compare: str | None = None
    ) -> tuple[Scoreboard, float | None]:
        """Return the scores, and the share of pixels equal to the masks in the folder `compare`.

        The masks are written to the folder `masks`, numbered in the order of the dataset.
        """
        gpu = self.devices.gpus[0] if self.devices.gpus else None
        segmenter = trained.segmenter(gpu=gpu, allow_python=self.allow_python)
        same, pixels = 0, 0
        with self.dataset, new_folder(self.path(masks)) as partial:
            images = self.dataset.split("val")
            classes = segmenter.classes(images.image(0, segmenter.form), images.ids[0])
            board = Scoreboard(classes, ignored_label(self.stage.recipe.solver))
            for i, name in enumerate(images.ids):
                mask = segmenter.class_map(images.image(i, segmenter.form), name)
                board.add(name, mask, images.label(i))
                write_label(os.path.join(partial, _mask_name(i)), mask, self.dataset.palette)
                if compare is not None:
                    before = read_label(os.path.join(compare, _mask_name(i)))
                    same += np.count_nonzero(before == mask)
                    pixels += mask.size
        return board, same / pixels if pixels else None

    def _write_record(self, record: dict[str, Any]) -> None:
        self.record = record
        write_json(self.path(RECORD), record)


def _silence_new_scores(result: Transplant, net: pb.NetParameter, classes: int | None) -> None:
    """Zero the convolutions that compute `classes` scores and that surgery found no weights for.

    Their fillers do not matter: at first, nothing may be added to the previous stage's scores.
    With `classes` None, every new convolution counts.
    """
    layers = {layer.name: layer for layer in distinct_layers(net).layer}
    for name in {step.target for step in result.filled if step.target}:
        layer = layers[name]
        outputs = layer.convolution_param.num_output
        if layer.type == "Convolution" and classes in (None, outputs):
            result.weights[name] = [np.zeros_like(array) for array in result.weights[name]]


def _summary(board: Scoreboard) -> dict[str, float]:
    return {key: float(getattr(board.matrix, key)) for key in SUMMARY}


def _mask_name(index: int) -> str:
    return f"{index:06d}.png"
