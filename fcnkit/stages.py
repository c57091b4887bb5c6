"""Training in stages: FCN-32s, 16s from its weights, 8s from those; any family will do.

    train_stages([Stage("voc_fcn32s", path), ...], "run", "dataset", "vgg16.caffemodel")

Each stage is a training in a folder of its own. It starts from the former stage's last weights,
with the scores of new skips at zero, so that its first masks are the former's last: that is
measured on the validation images before it trains, and its own masks after. What is done is written
down, so that a killed run goes on where it was.
"""

import collections
import contextlib
import json
import os
import shutil

import numpy as np

from caffeformat import FormatError, InputError, read_caffemodel, write_caffemodel, write_text

from . import training
from .datasets import open_dataset
from .inference import Segmenter
from .joint_data import count_classes
from .labels import read_label, write_label
from .preprocessing import Preprocessor
from .reports import SUMMARY, write_json
from .run_folder import input_settings, read_run
from .scoring import Scoreboard
from .stage_checks import check_stages, start_net
from .stage_folders import RECORD, START_NET, START_WEIGHTS, earlier_stages, set_aside
from .surgery import transplant
from .training_files import RunFiles

# In a stage's folder: its first and its last masks of the validation images.
_FIRST_MASKS, _MASKS = "first_masks", "masks"

Stage = collections.namedtuple("Stage", "name solver options", defaults=({},))
Stage.__doc__ = """A stage to train: the name of its folder, the path of its solver, and further
arguments of `training.train` for it."""

StageResult = collections.namedtuple("StageResult", "name folder agreement start end")
StageResult.__doc__ = """How a stage went.

Its name and folder; the share of validation pixels on which its first masks agree with the former
stage's last ones (None for the first stage); scores of its first masks (None for the first stage)
and of its last ones (None while it trains): dicts with pixel_accuracy, mean_iou, ..."""


@contextlib.contextmanager
def _silent(name):
    yield training.Observer()


def train_stages(
    stages,
    output,
    data,
    weights=None,
    resume=False,
    force=False,
    gpu=None,
    observe=_silent,
    stop=lambda: False,
):
    """Train `stages` one after the other in `output`; yields a `StageResult` after each.

    data: dataset folder, which the nets read and whose validation images are segmented; weights: a
    caffemodel for the first stage, a classifier's for instance. With `resume` what is done already
    stays; `force` removes an earlier run, once the new one has taken its first step. observe(name):
    a context manager that gives the `training.Observer` of a stage; where `stop()` is true after a
    step the run ends with a snapshot and a last result without `end`. Raises `InputError` as
    `training.train` and `stage_checks.check_stages` do, and where `output` holds stages already.
    """
    output = os.path.abspath(output)
    folders = [os.path.join(output, stage.name) for stage in stages]
    earlier = [] if resume else earlier_stages(folders, force, weights)
    begun = resume and os.path.exists(os.path.join(folders[0], RECORD))
    if (
        begun
        and weights is not None
        and not os.path.exists(os.path.join(folders[0], START_WEIGHTS))
    ):
        raise InputError(
            f"{folders[0]} began without weights, so {weights} comes too late: resume without "
            "--weights, or begin anew with --force"
        )
    check_stages(stages, data, None if begun else weights)
    with set_aside(earlier) as remove_earlier:

        def stop_after_step():
            remove_earlier()
            return stop()

        former = None
        for stage, folder in zip(stages, folders):
            run = _StageRun(stage, folder, data, former, weights, gpu)
            if not run.record.get("end"):
                run.prepare()
                with observe(stage.name) as observer:
                    for note in run.notes:
                        observer.note(note)
                    finished = run.train(resume, observer, stop_after_step)
                if not finished:
                    yield run.result()
                    return
                run.finish()
            yield run.result()
            former = folder


class _StageRun:
    """One stage: surgery, scores of the first masks, training, scores and masks of the last."""

    def __init__(self, stage, folder, data, former, weights, gpu):
        self.stage, self.folder, self.data = stage, folder, data
        self.former, self.weights, self.gpu = former, weights, gpu
        self.record = self._read_record()
        self.notes = []

    def path(self, name):
        return os.path.join(self.folder, name)

    def result(self):
        """The `StageResult` of what is known so far."""
        record = self.record
        return StageResult(
            self.stage.name,
            self.folder,
            record.get("agreement"),
            record.get("start"),
            record.get("end"),
        )

    def prepare(self):
        """Write the weights to start from; behind another stage, score what they say."""
        if self.record:
            return
        os.makedirs(self.folder, exist_ok=True)
        record = {"agreement": None, "start": None, "end": None}
        source = self.weights if self.former is None else read_run(self.former).weights
        if source is not None:
            mean, scale = self._operate(source)
            if self.former is not None:
                preprocessor = Preprocessor(mean, scale)
                net, weights = self.path(START_NET), self.path(START_WEIGHTS)
                board, same = self._score(
                    Segmenter(net, weights, preprocessor, gpu=self.gpu),
                    _FIRST_MASKS,
                    compare=os.path.join(self.former, _MASKS),
                )
                record.update(start=_summary(board), agreement=same)
        self._write_record(record)

    def _operate(self, source):
        """Net surgery from the weights `source`; returns mean and scale of the net's input."""
        files = RunFiles(self.stage.solver)
        net = start_net(files)
        result = transplant(read_caffemodel(source), net)
        if self.former is not None:
            _silence_new_scores(result, net, count_classes(files.train))
        filled = ", ".join(dict.fromkeys(step.target for step in result.filled))
        if filled:
            self.notes.append(f"new beside {source}: {filled}")
        write_text(self.path(START_NET), net)
        write_caffemodel(self.path(START_WEIGHTS), result.weights, net)
        return input_settings(files)

    def train(self, resume, observer, stop):
        """Train, from the newest snapshot with `resume`; returns whether to the end."""
        start = self.path(START_WEIGHTS)
        outcome = training.train(
            self.stage.solver,
            self.folder,
            data=self.data,
            weights=start if os.path.exists(start) else None,
            resume=resume and os.path.exists(self.path("train.log")),
            gpu=self.gpu,
            observer=observer,
            stop=stop,
            **self.stage.options,
        )
        return outcome.finished

    def finish(self):
        """Score the trained net and keep its masks of the validation images."""
        run = read_run(self.folder)
        segmenter = Segmenter(run.net, run.weights, Preprocessor(run.mean, run.scale), gpu=self.gpu)
        board, _ = self._score(segmenter, _MASKS)
        self._write_record({**self.record, "end": _summary(board)})

    def _score(self, segmenter, masks, compare=None):
        """(`Scoreboard`, share of pixels equal to the masks in the folder `compare`, or None).

        masks: the name of the folder that its masks go to, numbered as the dataset's images are.
        """
        final = self.path(masks)
        partial = f"{final}.partial"
        for path in (partial, final):
            shutil.rmtree(path, ignore_errors=True)
        os.makedirs(partial)
        board, same, pixels = None, 0, 0
        with open_dataset(self.data, "val") as dataset:
            for i, name in enumerate(dataset.ids):
                image = dataset.image(i)
                if board is None:
                    board = Scoreboard(segmenter.classes(image, name))
                mask = segmenter.class_map(image, name)
                board.add(name, mask, dataset.label(i))
                write_label(os.path.join(partial, _mask_name(i)), mask, dataset.palette)
                if compare is not None:
                    before = read_label(os.path.join(compare, _mask_name(i)))
                    same += np.count_nonzero(before == mask)
                    pixels += mask.size
        os.rename(partial, final)
        return board, same / pixels if pixels else None

    def _read_record(self):
        path = self.path(RECORD)
        try:
            with open(path, encoding="utf-8") as file:
                record = json.load(file)
            if not {"agreement", "start", "end"} <= set(record):
                raise ValueError("entries are missing")
            return record
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError) as error:
            raise FormatError(path, f"is damaged ({error}): start over with --force") from error

    def _write_record(self, record):
        self.record = record
        write_json(self.path(RECORD), record)


def _silence_new_scores(result, net, classes):
    """Set the convolutions to `classes` scores that the surgery found no weights for to zero.

    Whatever their fillers say: what they add to the former stage's scores must be nothing at first.
    With `classes` None every new convolution counts.
    """
    layers = {layer.name: layer for layer in net.layer}
    for name in {step.target for step in result.filled}:
        layer = layers[name]
        outputs = layer.convolution_param.num_output
        if layer.type == "Convolution" and classes in (None, outputs):
            result.weights[name] = [np.zeros_like(array) for array in result.weights[name]]


def _summary(board):
    return {key: float(getattr(board.matrix, key)) for key in SUMMARY}


def _mask_name(index):
    return f"{index:06d}.png"
