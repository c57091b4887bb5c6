"""Models side by side: their scores and settings; of two, their masks and where they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flask
import numpy as np
import werkzeug.exceptions

from caffeformat import InputError
from fcnkit.inference import ConfusionMatrix

from . import pictures
from .bench import bench
from .dataset_pages import open_or_why
from .explore import picture_response
from .job_pages import job_or_404
from .model_jobs import RUN
from .summaries import summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fcnkit.jobs import Job

    from .datasets import OpenDataset

blueprint = flask.Blueprint("compare", __name__)

_MODELS = 8  # side by side
_IMAGES = 6
_KINDS = ("first", "second", "difference")


@blueprint.get("/compare")
def show() -> Any:
    """Show models side by side, and the masks of two."""
    ids = dict.fromkeys(flask.request.args.getlist("model"))
    chosen = [job_or_404(id_, "model") for id_ in list(ids)[: _MODELS + 1]]
    if not 2 <= len(chosen) <= _MODELS:
        raise InputError(f"choose two models to compare, or up to {_MODELS} for their scores alone")
    lines = [summary(*found) for found in chosen]
    opened, split, numbers = _images(lines[0].job) if len(lines) == 2 else (None, "", [])
    return flask.render_template(
        "compare.html",
        lines=lines,
        settings=_settings([line.job for line in lines]),
        split=split,
        entries=[(number, opened.ids(split)[number]) for number in numbers] if opened else [],
    )


def _images(job: Job) -> tuple[Any, str, list[int]]:
    """Return (the dataset of a model, the split to compare on, numbers of its images)."""
    opened = _dataset_of(job)
    if opened is None or not opened.splits:
        return None, "", []
    split = "val" if "val" in opened.splits else opened.splits[0]
    count = len(opened.ids(split))
    wanted = min(_IMAGES, count)
    return opened, split, [number * count // wanted for number in range(wanted)]


_SHOWN = {
    "method": "network",
    "classifier": "classifier",
    "standard_networks": "network of the zoo",
    "surgery_stride": "stride",
    "train_epochs": "epochs",
    "batch_size": "batch size",
    "batch_accumulation": "batches per step",
    "learning_rate": "learning rate",
    "lr_policy": "policy",
    "solver_type": "solver",
    "augment": "augmented",
    "class_weights": "class weights",
}


def _settings(jobs: Sequence[Job]) -> list[tuple[str, list[Any]]]:
    """Return (name, each job's value) of the settings that differ."""
    rows = [(title, [job.settings.get(name) for job in jobs]) for name, title in _SHOWN.items()]
    return [row for row in rows if any(value != row[1][0] for value in row[1])]


@blueprint.get("/compare/pictures/<first>/<second>/<split>/<int:number>/<kind>")
def show_picture(first: str, second: str, split: str, number: int, kind: str) -> Any:
    """Return a picture of one image: first, second (overlays of the masks) or difference."""
    if kind not in _KINDS:
        raise werkzeug.exceptions.NotFound()
    jobs, opened = _compared(first, second, split)
    image, _ = opened.pair(split, number)
    if kind == "difference":
        masks = [_mask(job, opened, split, number) for job in jobs]
        content = pictures.png(pictures.difference(*masks))
        return picture_response(content, "image/png")
    job = jobs[0] if kind == "first" else jobs[1]
    network = bench().networks.get(bench().jobs.path(job.id, RUN))
    mask = _mask(job, opened, split, number)
    content, mime = pictures.picture("overlay", image, mask, network.palette, 480)
    return picture_response(content, mime)


@blueprint.get("/compare/agreement/<first>/<second>/<split>/<int:number>.json")
def agreement(first: str, second: str, split: str, number: int) -> Any:
    """Return how far two models agree on an image, and each with its label."""
    jobs, opened = _compared(first, second, split)
    _, label = opened.pair(split, number)
    masks = []
    scores = []
    for job in jobs:
        masks.append(_mask(job, opened, split, number))
        network = bench().networks.get(bench().jobs.path(job.id, RUN))
        matrix = ConfusionMatrix(256, network.ignore)
        matrix.update(masks[-1], label, "image")
        scores.append(None if matrix.mean_iou != matrix.mean_iou else float(matrix.mean_iou))
    return flask.jsonify(equal=float(np.mean(masks[0] == masks[1])), mean_iou=scores)


def _compared(first: str, second: str, split: str) -> tuple[list[Job], OpenDataset]:
    """Return two models, and the dataset of the first, which has to have `split`."""
    jobs = [job_or_404(id_, "model")[0] for id_ in (first, second)]
    opened = _dataset_of(jobs[0])
    if opened is None or split not in opened.splits:
        raise InputError("the dataset of the first model is not there")
    return jobs, opened


def _dataset_of(job: Job) -> OpenDataset | None:
    found = bench().jobs.get(str(job.settings.get("dataset", "")))
    return open_or_why(found[0])[0] if found else None


def _mask(job: Job, opened: OpenDataset, split: str, number: int) -> NDArray[np.uint8]:
    network = bench().networks.get(bench().jobs.path(job.id, RUN))
    image, _ = opened.pair_for(network.form, split, number)
    return network.segment(image, f"{split} {number}")[1]
