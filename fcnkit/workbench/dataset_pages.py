"""Pages of datasets: a new one, and what one contains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flask

from caffeformat import InputError
from fcnkit.data_prep import PROBLEMS
from fcnkit.web import title_of

from . import datasets
from .bench import bench
from .dataset_forms import DatasetForm, make_job
from .fields import remind_of_uploads
from .job_pages import job_or_404, job_page

if TYPE_CHECKING:
    from fcnkit.jobs import Job

    from .datasets import Facts, OpenDataset

blueprint = flask.Blueprint("dataset", __name__, url_prefix="/datasets")


@blueprint.route("/new", methods=["GET", "POST"])
def new() -> Any:
    """Show the form of a new dataset, filled like that of `clone`; a valid one becomes a job."""
    filled = {}
    clone = bench().jobs.get(flask.request.args.get("clone", ""))
    made_by = clone[0].settings.get("extension") if clone is not None else None
    if made_by and clone is not None:
        address = flask.url_for("extension.new_dataset", extension_id=made_by, clone=clone[0].id)
        return flask.redirect(address)
    if clone is not None and flask.request.method == "GET":
        filled = {**clone[0].settings, "dataset_name": f"{clone[0].name} (copy)"}
        remind_of_uploads(clone[0])
    form = DatasetForm(data=filled)
    if form.validate_on_submit():
        job = make_job(form)
        if job is not None:
            return flask.redirect(flask.url_for("dataset.show", id_=job.id))
    known = bench().extensions
    page = flask.render_template(
        "dataset_new.html", form=form, roots=bench().places.roots, problems=known.problems,
        extensions=[(id_, title_of(extension)) for id_, extension in known.data.items()],
    )  # fmt: skip
    return page, 400 if form.is_refused else 200


@blueprint.get("/<id_>")
def show(id_: str) -> Any:
    """Show a dataset: how far it is, what the check found, its classes and sizes."""
    job, state = job_or_404(id_, "dataset")
    opened, words = open_or_why(job)
    known = facts_of(job, opened)
    stages = ["train", "val"]
    sample = []
    if opened is not None:
        for split in opened.splits or stages:
            try:
                count = len(opened.ids(split))
            except InputError as error:
                words = error.for_command_line()
                continue
            sample += [(split, number) for number in _spread(count, 6 if split == "train" else 3)]
    return job_page(
        "dataset.html",
        job,
        state,
        facts=known,
        advice=PROBLEMS,
        opened=opened,
        words=words,
        sample=sample[:9],
        users=bench().catalogue.users_of(id_),
    )


def _spread(count: int, wanted: int) -> list[int]:
    """Return numbers of entries, evenly spread."""
    wanted = min(count, wanted)
    return [number * count // wanted for number in range(wanted)]


def open_dataset(job: Job) -> OpenDataset:
    """Return a dataset job's data; `InputError` where it is not there."""
    job_folder = bench().jobs.path(job.id)
    return bench().datasets.get(datasets.folder_of(job, job_folder), job_folder)


def open_or_why(job: Job) -> tuple[OpenDataset | None, str]:
    """Return (a dataset job's data or None, why it is not there)."""
    found = bench().jobs.get(job.id)
    if found is None or found[1].state != "done":
        return None, ""
    try:
        return open_dataset(job), ""
    except InputError as error:
        return None, error.for_command_line()


def facts_of(job: Job, opened: OpenDataset | None) -> Facts:
    """Return what is known about a dataset."""
    manifest = opened.manifest if opened else {}
    names = opened.names if opened else None
    return datasets.facts(datasets.read_findings(bench().jobs.path(job.id)), manifest, names)
