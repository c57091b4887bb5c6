"""Test one image, many, a list or a dataset, and what comes of it."""

from __future__ import annotations

import functools
import io
import os
import re
import zipfile
from typing import TYPE_CHECKING, Any

import flask
import werkzeug.exceptions

from caffeformat import InputError, brief, whole_number
from fcnkit.datasets import image_files

from . import downloads, extending, trials
from .bench import bench
from .dataset_pages import open_or_why
from .job_pages import job_or_404
from .security import wants_json
from .snapshots import named, snapshot_rows
from .trials import Source, from_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from fcnkit.images import ImageForm
    from fcnkit.jobs import Job

blueprint = flask.Blueprint("test", __name__, url_prefix="/models")

_FILE = re.compile(
    r"\d+_(image\.jpg|mask\.png|indices\.png|truth\.png|truth_indices\.png|scores\.npz)\Z"
)
_MAX_LIST = 1 << 20  # bytes
_MOST_ENTRIES = 200  # of a list to choose from


@blueprint.get("/<id_>/test")
def show(id_: str) -> Any:
    """Show the forms of tests."""
    return _forms(job_or_404(id_, "model")[0], {})


def _forms(job: Job, errors: dict[str, str]) -> str:
    """Return the page with the forms of tests; `errors` are {"<form>.<field>": what is wrong}."""
    rows = snapshot_rows(job.id, job)
    dataset = bench().jobs.get(str(job.settings.get("dataset", "")))
    split, ids = entries_to_choose(job)
    return flask.render_template(
        "test.html",
        job=job,
        errors=errors,
        snapshots=rows,
        dataset=dataset[0] if dataset else None,
        split=split,
        ids=ids,
        roots=bench().places.roots,
        kept=trials.kept(job)[:8],
        views=extending.titles("view"),
        has_extension=bool(dataset and dataset[0].settings.get("extension")),
    )


def entries_to_choose(job: Job) -> tuple[str, list[str]]:
    """Return (a part of the dataset that a model trains on, the names of its first images)."""
    found = bench().jobs.get(str(job.settings.get("dataset", "")))
    opened = open_or_why(found[0])[0] if found else None
    split = "val" if opened and "val" in opened.splits else "train"
    return split, list(opened.ids(split))[:_MOST_ENTRIES] if opened and opened.splits else []


def _refused(job: Job, form: str, fields: Sequence[str], error: InputError) -> Any:
    """Show a form of tests with an error at its field; scripts get the error alone.

    The message begins with the field's name, or is about the first of `fields` that was filled in.
    """
    if wants_json():
        raise error
    sent = {**flask.request.form, **{k: v.filename for k, v in flask.request.files.items()}}
    name, _, words = error.text.partition(": ")
    if name not in (*fields, "snapshot_epoch", "view_extension_id"):
        filled = [field for field in fields if sent.get(field)]
        name, words = (filled or fields)[0], error.for_command_line({})
    return _forms(job, {f"{form}.{name}": words}), 400


def weights_of(job: Job) -> str | None:
    """Return the weights that the field `snapshot_epoch` names; None for the newest."""
    return named(job, flask.request.values.get("snapshot_epoch", ""))


def one_source(job: Job) -> Source:
    """Return the one image that a request names: an upload, a place, or one of the dataset."""
    form, upload = flask.request.form, flask.request.files.get("image_file")
    if upload is not None and upload.filename:
        return from_file(upload.read(), os.path.basename(upload.filename))
    if form.get("image_path"):
        path = bench().places.find(form["image_path"])
        return from_file(path, os.path.basename(path))
    if form.get("entry"):
        split, _, number = form["entry"].partition(":")
        chosen = whole_number(number)
        return next(iter(entries_of(job, split, [] if chosen is None else [chosen])))
    raise InputError("image_file: upload an image, name one on the server, or choose one")


def many_sources(job: Job, most: int | None = trials.MOST_IMAGES) -> Iterator[Source]:
    """Yield the images that a request names: uploads, a list of paths, a folder, a database.

    At most `most` of a list, folder or database, and at most as many as the request says.
    """
    form = flask.request.form
    uploads = [each for each in flask.request.files.getlist("image_files") if each.filename]
    for upload in uploads:
        yield from_file(upload.read(), os.path.basename(upload.filename or ""))
    listed = flask.request.files.get("image_list")
    if listed is not None and listed.filename:
        yield from _listed(listed.read(_MAX_LIST + 1), form.get("image_folder", ""), _limit(most))
    elif form.get("image_folder"):
        folder = bench().places.find(form["image_folder"])
        for name, path in list(image_files(folder).items())[: _limit(most)]:
            yield from_file(bench().places.find(path), name)
    elif most is not None and form.get("db_path"):  # scripts have a route of their own for these
        yield from _database_images()


def _database_images() -> Iterator[Source]:
    """Yield the first images of the database that a request names."""
    path = downloads.database_path(flask.request.form.get("db_path", ""))
    yield from downloads.database_sources(path, _limit() or 0)[1]


def _listed(content: bytes, folder: str, most: int | None) -> Iterator[Source]:
    """Yield the images of a list: a path per line, which a label's number may follow."""
    if len(content) > _MAX_LIST:
        raise InputError("image_list: the list is longer than 1 MB")
    lines = [line.strip() for line in content.decode("utf-8", "replace").splitlines()]
    for line in [line for line in lines if line][:most]:
        text = re.sub(r"\s+\d+$", "", line)
        path = os.path.join(folder, text) if folder else text

        def load(path: str = path, text: str = text) -> Any:
            return from_file(bench().places.find(path), text).load()

        def read(form: ImageForm, path: str = path, text: str = text) -> Any:
            return form.read(bench().places.find(path), text), None

        yield Source(text, load, read)


def _limit(most: int | None = trials.MOST_IMAGES) -> int | None:
    """Return how many images to take at most: what the request says, up to `most`."""
    text = flask.request.form.get("num_test_images", "").strip()
    if not text:
        return most
    wanted = whole_number(text)
    if wanted is None:
        raise InputError(f"num_test_images: expected a number, found {brief(text)}")
    return wanted if most is None else min(wanted, most)


def entries_of(job: Job, split: str, numbers: Iterable[int]) -> Iterator[Source]:
    """Yield images of the dataset that a model trains on, with their labels."""
    found = bench().jobs.get(str(job.settings.get("dataset", "")))
    opened = open_or_why(found[0])[0] if found else None
    if opened is None or split not in opened.splits:
        raise InputError(f"the model's dataset has no part {split!r}")
    ids = opened.ids(split)
    numbers = list(numbers)
    if not numbers:
        raise InputError("entry: expected a part and a number, such as val:0")
    for number in numbers:
        title = ids[number] if 0 <= number < len(ids) else str(number)
        yield Source(
            title,
            functools.partial(opened.pair, split, number),
            functools.partial(opened.pair_for, split=split, number=number),
        )


@blueprint.post("/images/generic/infer_one")
def infer_one() -> Any:
    """Test one image and lead to its page."""
    fields = ("image_file", "image_path", "entry")
    return _test("one", fields, lambda job: [one_source(job)])


@blueprint.post("/images/generic/infer_many")
def infer_many() -> Any:
    """Test several images and lead to their page."""
    return _test("many", ("image_files", "image_list", "image_folder", "db_path"), many_sources)


@blueprint.post("/images/generic/infer_db")
def infer_db() -> Any:
    """Test the images of a database and lead to their page."""
    return _test("many", ("db_path",), lambda _: _database_images())


def _test(form: str, fields: Sequence[str], sources_of: Callable[[Job], Iterable[Source]]) -> Any:
    """Test what a form names with the model that it is about, and lead to the test's page."""
    job, _ = job_or_404(flask.request.values.get("job_id", ""), "model")
    keep = bool(flask.request.form.get("keep_scores"))
    try:
        view = extending.chosen_view(job)
        id_, _ = trials.run(job, weights_of(job), sources_of(job), keep, view)
    except InputError as error:
        return _refused(job, form, fields, error)
    return flask.redirect(flask.url_for("test.result", id_=job.id, trial=id_), 303)


@blueprint.post("/images/generic/infer_dataset")
def infer_dataset() -> Any:
    """Test images of the dataset, with their labels as ground truth."""
    job, _ = job_or_404(flask.request.values.get("job_id", ""), "model")
    split = flask.request.form.get("split", "val")
    found = bench().jobs.get(str(job.settings.get("dataset", "")))
    opened = open_or_why(found[0])[0] if found else None
    count = len(opened.ids(split)) if opened and split in opened.splits else 0
    try:
        wanted = min(count, _limit() or 0)
        if count and not wanted:
            raise InputError("num_test_images: expected a number above 0")
        numbers = [number * count // wanted for number in range(wanted)] if wanted else []
        view = extending.chosen_view(job)
        sources = entries_of(job, split, numbers)
        id_, _ = trials.run(job, weights_of(job), sources, view=view)
    except InputError as error:
        return _refused(job, "dataset", ("num_test_images",), error)
    return flask.redirect(flask.url_for("test.result", id_=job.id, trial=id_), 303)


@blueprint.get("/<id_>/tests/<trial>")
def result(id_: str, trial: str) -> Any:
    """Show what came of a test; the images with the worst scores first."""
    job, _ = job_or_404(id_, "model")
    results = trials.read(job, trial)
    if results is None:
        raise werkzeug.exceptions.NotFound("There is no such test; the oldest ones are removed.")
    items = list(enumerate(results["items"]))
    items.sort(key=lambda item: (item[1].get("mean_iou") is None, item[1].get("mean_iou") or 0))
    return flask.render_template("result.html", job=job, trial=trial, results=results, items=items)


@blueprint.get("/<id_>/tests/<trial>/<name>")
def file(id_: str, trial: str, name: str) -> Any:
    """Return a file of a test: an image, a mask or scores."""
    job, _ = job_or_404(id_, "model")
    if not _FILE.match(name) or trial not in trials.kept(job):
        raise werkzeug.exceptions.NotFound()
    number, _, kind = name.partition("_")
    title = _stem(trials.read(job, trial), number)
    return flask.send_from_directory(
        bench().jobs.path(id_, trials.TESTS, trial),
        name,
        as_attachment="download" in flask.request.args,
        download_name=f"{title}_{kind}",
    )


def _stem(results: dict[str, Any] | None, number: str) -> str:
    """Return a file name's beginning for an image of a test."""
    try:
        title = (results or {})["items"][int(number)]["title"]
    except (KeyError, IndexError, ValueError):
        title = number
    stem = os.path.splitext(os.path.basename(str(title)))[0]
    return re.sub(r"[^\w.-]+", "_", stem)[:80] or number


@blueprint.get("/<id_>/tests/<trial>/masks.zip")
def masks(id_: str, trial: str) -> Any:
    """Return all masks of a test in one archive."""
    job, _ = job_or_404(id_, "model")
    results = trials.read(job, trial)
    if results is None:
        raise werkzeug.exceptions.NotFound()
    buffer, names = io.BytesIO(), set()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for number, item in enumerate(results["items"]):
            if "error" in item:
                continue
            name = _stem(results, str(number))
            while name in names:
                name += "_"
            names.add(name)
            path = bench().jobs.path(id_, trials.TESTS, trial, f"{number}_mask.png")
            archive.write(path, f"{name}.png")
    return flask.Response(
        buffer.getvalue(),
        mimetype="application/zip",
        headers={"Content-Disposition": f"attachment; filename=masks_{trial}.zip"},
    )
