"""Trials: a model on images, whose masks stay in the model's folder under `tests/<number>/`."""

from __future__ import annotations

import collections
import datetime
import io
import os
import re
import secrets
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caffeformat import InputError, atomic_write
from fcnkit.files import read_json_object, write_json
from fcnkit.images import legend, read_rgb
from fcnkit.inference import ConfusionMatrix, class_rows
from fcnkit.web import Sample, stretched

from .bench import bench
from .model_jobs import RUN
from .pictures import picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Callable, Union

    from numpy.typing import NDArray

    from fcnkit.images import ImageForm
    from fcnkit.jobs import Job

    from .segmenting import OpenNetwork

    Image = NDArray[np.uint8]
    # Loads (image H x W x 3 RGB, its label H x W or None).
    Loader = Callable[[], tuple[Image, Union[Image, None]]]
    # Makes a document of (title, sample), which are segmented as they are asked for.
    View = Callable[["OpenNetwork", Iterable[tuple[str, Sample]]], str]

TESTS, RESULTS, VIEW = "tests", "results.json", "view.html"
_KEPT = 50  # trials of a model
MOST_IMAGES = 100  # of a trial
_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}\Z")


class Source(NamedTuple):
    """An image to test: its title and how it is loaded."""

    title: str
    load: Loader
    # The same with the image as a network takes it, H x W x channels; None: as `load` returns it
    read: Callable[[ImageForm], tuple[NDArray[Any], Image | None]] | None = None

    def load_for(self, network: OpenNetwork) -> tuple[NDArray[Any], Image | None]:
        """Return (image as `network` takes it, its label or None)."""
        return self.load() if self.read is None else self.read(network.form)


def from_file(source: str | bytes, title: str) -> Source:
    """An image file, by its path or content."""
    return Source(
        title,
        lambda: (read_rgb(source, title), None),
        lambda form: (form.read(source, title), None),
    )


def run(
    job: Job,
    weights: str | None,
    sources: Iterable[Source],
    keep_scores: bool = False,
    view: View | None = None,
) -> tuple[str, dict[str, Any]]:
    """Segment images; return (id of the trial, its results).

    `view` also makes a document of the images and their scores, one after the other.

    An image that cannot be used becomes a line with its error; where none can, `InputError`.
    """
    network = bench().networks.get(bench().jobs.path(job.id, RUN), weights)
    id_ = f"{datetime.datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    folder = bench().jobs.make_folder(job.id, TESTS, id_)
    items: list[dict[str, Any]] = []
    total: ConfusionMatrix | None = None

    def samples() -> Iterator[tuple[str, Sample]]:
        nonlocal total
        for number, source in enumerate(sources):
            if number >= MOST_IMAGES:
                raise InputError(f"a test takes at most {MOST_IMAGES} images at once")
            try:
                item, matrix, sample = _one(network, folder, number, source, keep_scores)
            except InputError as error:
                items.append({"title": source.title, "error": error.for_command_line({})})
                continue
            items.append(item)
            if matrix is not None:
                if total is None:
                    total = ConfusionMatrix(matrix.n, matrix.ignore)
                total += matrix
            yield source.title, sample

    try:
        if view is None:
            collections.deque(samples(), 0)
        else:
            document = view(network, samples())
            with atomic_write(os.path.join(folder, VIEW), "w", encoding="utf-8") as file:
                file.write(document)
        good = [item for item in items if "error" not in item]
        if not items:
            raise InputError("choose an image to test")
        if not good:
            raise InputError(items[0]["error"])
        results = {
            "weights": os.path.basename(network.weights),
            "names": list(network.names or ()),
            "palette": network.palette.tolist(),
            "items": items,
            "scores": None if total is None else _scores(total, network),
            "view": view is not None,
        }
        write_json(os.path.join(folder, RESULTS), results)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _forget_old(job)
    return id_, results


def _one(
    network: OpenNetwork, folder: str, number: int, source: Source, keep_scores: bool
) -> tuple[dict[str, Any], ConfusionMatrix | None, Sample]:
    taken, label = source.load_for(network)
    scores, mask, blob = network.segment(taken, source.title)
    image = network.shown(taken)
    for kind in ("image", "mask", "indices"):
        _keep(folder, number, kind, picture(kind, image, mask, network.palette))
    if keep_scores:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, scores=scores.astype(np.float16), blob=blob)
        with atomic_write(os.path.join(folder, f"{number}_scores.npz")) as file:
            file.write(buffer.getvalue())
    item: dict[str, Any] = {
        "title": source.title,
        "width": image.shape[1],
        "height": image.shape[0],
        "scores": keep_scores,
        "classes": [
            {"index": entry.index, "name": entry.name, "share": entry.share}
            for entry in legend(mask, network.palette, network.names or (), None)
        ],
    }
    matrix = None
    if label is not None and label.shape == mask.shape:
        matrix = ConfusionMatrix(len(scores), network.ignore)
        matrix.update(mask, label, source.title)
        item["truth"] = True
        item["mean_iou"], item["accuracy"] = (
            _known(value) for value in (matrix.mean_iou, matrix.pixel_accuracy)
        )
        truths = picture("indices", None, label, network.palette)
        _keep(folder, number, "truth_indices", truths)
        _keep(folder, number, "truth", picture("mask", None, label, network.palette))
    stretched_scores = stretched(scores, mask.shape)
    return item, matrix, Sample(image, {blob: stretched_scores}, [], label)


def _keep(folder: str, number: int, kind: str, made: tuple[bytes, str]) -> None:
    ending = "jpg" if made[1] == "image/jpeg" else "png"
    with atomic_write(os.path.join(folder, f"{number}_{kind}.{ending}")) as file:
        file.write(made[0])


def _known(value: float) -> float | None:
    return None if value != value else float(value)


def _scores(matrix: ConfusionMatrix, network: OpenNetwork) -> dict[str, Any]:
    rows = class_rows(matrix, network.names)
    return {
        "mean_iou": _known(matrix.mean_iou),
        "pixel_accuracy": _known(matrix.pixel_accuracy),
        "classes": [
            {"name": row["name"], "index": row["index"], "iou": _known(row["iou"])} for row in rows
        ],
    }


def read(job: Job, id_: str) -> dict[str, Any] | None:
    """Return the results of a trial; None where there is none."""
    if not _ID.match(id_):
        return None
    try:
        found = read_json_object(bench().jobs.path(job.id, TESTS, id_, RESULTS))
    except InputError:
        return None
    return found if isinstance(found.get("items"), list) else None


def kept(job: Job) -> list[str]:
    """Return the ids of a model's trials, the newest first."""
    try:
        names = os.listdir(bench().jobs.path(job.id, TESTS))
    except OSError:
        return []
    return sorted(filter(_ID.match, names), reverse=True)


def _forget_old(job: Job) -> None:
    for id_ in kept(job)[_KEPT:]:
        shutil.rmtree(bench().jobs.path(job.id, TESTS, id_), ignore_errors=True)
