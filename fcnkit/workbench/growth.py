"""How a model learned: the masks of the same images at each of its snapshots, side by side."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import flask
import werkzeug.exceptions

from caffeformat import InputError, atomic_write
from fcnkit.files import known, read_json_object, write_json
from fcnkit.inference import ConfusionMatrix

from .bench import bench
from .dataset_pages import open_or_why
from .job_pages import job_or_404
from .model_jobs import RUN
from .pictures import picture
from .snapshots import epoch_of, snapshots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fcnkit.jobs import Job

    from .datasets import OpenDataset

blueprint = flask.Blueprint("growth", __name__, url_prefix="/models")

MASKS = "masks"  # below a job's folder
_IMAGES, _SNAPSHOTS = 8, 6  # of a page
_SIDE = 240  # pixels of a picture
_making = threading.Lock()


class Entry(NamedTuple):
    """One of the images: its place in the dataset, its name, its newest mean IoU or None."""

    number: int
    name: str
    mean_iou: float | None


@blueprint.get("/<id_>/masks")
def show(id_: str) -> Any:
    """Show masks of images of the dataset at each snapshot, the worst at the newest first."""
    job, _ = job_or_404(id_, "model")
    opened, split = _dataset_of(job)
    iterations = _spread(sorted(snapshots(bench().jobs.path(id_, RUN))), _SNAPSHOTS)
    if not iterations:
        raise InputError("there is no snapshot yet")
    _make(job, opened, split, iterations[-1])
    ids = opened.ids(split)
    entries = [
        Entry(number, ids[number], _score(job, split, iterations[-1], number))
        for number in _numbers(opened, split)
    ]
    entries.sort(key=lambda entry: (entry.mean_iou is None, entry.mean_iou))
    return flask.render_template(
        "growth.html",
        job=job,
        split=split,
        iterations=iterations,
        epoch=epoch_of(job),
        entries=entries,
    )


@blueprint.get("/<id_>/masks/<int:iteration>/<split>/<int:number>.jpg")
def show_picture(id_: str, iteration: int, split: str, number: int) -> Any:
    """Return an image of the page with its mask at one snapshot over it."""
    job, _ = job_or_404(id_, "model")
    opened, wanted = _dataset_of(job)
    if split != wanted or number not in _numbers(opened, split):
        raise werkzeug.exceptions.NotFound()
    _make(job, opened, split, iteration)
    return flask.send_from_directory(
        bench().jobs.path(id_, MASKS), _stem(iteration, split, number) + ".jpg", max_age=0
    )


def _dataset_of(job: Job) -> tuple[OpenDataset, str]:
    """Return (the dataset that a model trains on, the split to look at)."""
    found = bench().jobs.get(str(job.settings.get("dataset", "")))
    opened = open_or_why(found[0])[0] if found else None
    if opened is None or not opened.splits:
        raise InputError("the model's dataset is not there")
    return opened, "val" if "val" in opened.splits else opened.splits[0]


def _numbers(opened: OpenDataset, split: str) -> Sequence[int]:
    return _spread(range(len(opened.ids(split))), _IMAGES)


def _spread(values: Sequence[int], most: int) -> list[int]:
    """Return up to `most` of `values`, evenly spread, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    return [values[place * (len(values) - 1) // (most - 1)] for place in range(most)]


def _stem(iteration: int, split: str, number: int) -> str:
    return f"{iteration}_{split}_{number}"


def _make(job: Job, opened: OpenDataset, split: str, iteration: int) -> None:
    """Make the pictures of a snapshot that are not there, all while its weights are loaded."""
    weights = snapshots(bench().jobs.path(job.id, RUN)).get(iteration)
    if weights is None:
        raise werkzeug.exceptions.NotFound(f"There is no snapshot {iteration}.")
    folder = bench().jobs.path(job.id, MASKS)
    made = os.stat(weights).st_mtime  # a resumed run may have written it anew

    def is_missing(number: int) -> bool:
        path = os.path.join(folder, _stem(iteration, split, number) + ".jpg")
        return not os.path.isfile(path) or os.stat(path).st_mtime < made

    with _making:
        missing = [number for number in _numbers(opened, split) if is_missing(number)]
        if not missing:
            return
        network = bench().networks.get(bench().jobs.path(job.id, RUN), weights)
        bench().jobs.make_folder(job.id, MASKS)
        for number in missing:
            image, label = opened.pair_for(network.form, split, number)
            scores, mask, _ = network.segment(image, f"{split} {number}")
            matrix = ConfusionMatrix(len(scores), network.ignore)
            matrix.update(mask, label, f"{split} {number}")
            path = os.path.join(folder, _stem(iteration, split, number))
            write_json(path + ".json", {"mean_iou": known(float(matrix.mean_iou))})
            with atomic_write(path + ".jpg") as file:
                file.write(
                    picture("overlay", network.shown(image), mask, network.palette, _SIDE)[0]
                )


def _score(job: Job, split: str, iteration: int, number: int) -> float | None:
    path = bench().jobs.path(job.id, MASKS, _stem(iteration, split, number) + ".json")
    try:
        found = read_json_object(path).get("mean_iou")
    except InputError:
        return None
    return float(found) if isinstance(found, (int, float)) else None
