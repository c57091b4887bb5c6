"""DIGITS' REST API: the routes whose answers are JSON, images or archives."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import flask
import numpy as np
import werkzeug.datastructures

from caffeformat import InputError
from fcnkit.data_prep import PROBLEMS
from fcnkit.images import legend, paletted_image

from . import answers, downloads, extending, trial_pages
from .bench import bench
from .dataset_forms import DatabasesForm, DatasetForm
from .dataset_forms import make_job as make_dataset
from .dataset_forms import make_job_of_databases as make_dataset_of_databases
from .dataset_pages import facts_of, open_or_why
from .job_pages import in_digits_words, job_or_404, more_words
from .model_forms import ModelForm
from .model_jobs import FIRST_WEIGHTS, NO_WEIGHTS, RUN, make_jobs
from .snapshots import best_of, snapshot_rows
from .summaries import as_live, summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from fcnkit.jobs import Job, State

    from .trials import Source

blueprint = flask.Blueprint("api", __name__)

MOST_OUTPUTS = 20  # images of an answer with scores, each of which takes megabytes as text

# What DIGITS' form of a model calls weights that are no snapshot.
_STARTS = {"0": NO_WEIGHTS, "-1": FIRST_WEIGHTS}

# DIGITS' extensions -> our fields by theirs.
_EXTENSIONS: dict[str, dict[str, str]] = {
    "images": {},
    "image-segmentation": {"colormap_text_file": "colormap_text_file"},
    "fcn-voc-segmentation": {
        "class_names_file": "class_labels_file",
        "colour_map_file": "colormap_text_file",
    },
}


@blueprint.get("/index.json")
def index() -> Any:
    """List all datasets and models."""
    found: dict[str, list[dict[str, Any]]] = {"datasets": [], "models": []}
    for job, state in bench().jobs.all():
        line = {**_line(job, state), **more_words(job, state)}
        found["datasets" if job.kind == "dataset" else "models"].append(line)
    return flask.jsonify(found)


def _line(job: Job, state: State) -> dict[str, Any]:
    return {"id": job.id, **in_digits_words(job, state)}


@blueprint.get("/datasets/<id_>.json")
def dataset(id_: str) -> Any:
    """Describe a dataset."""
    job, state = job_or_404(id_, "dataset")
    opened, _ = open_or_why(job)
    known = facts_of(job, opened)
    return flask.jsonify(
        **_line(job, state),
        directory=bench().jobs.path(id_),
        notes=job.notes,
        classes=list(known.names or ()),
        images=known.counts,
        problems=[
            {"part": part, "problem": name, "advice": PROBLEMS.get(name, "")}
            for part, name, _ in known.problems
        ],
        **more_words(job, state),
    )


@blueprint.get("/models/<id_>.json")
def model(id_: str) -> Any:
    """Describe a model; `snapshots` are epochs, `snapshot_epoch=best` names `best`."""
    job, state = job_or_404(id_, "model")
    rows = [row for row in snapshot_rows(id_, job) if row["name"] != "best"]
    best = best_of(bench().jobs.path(id_, RUN))
    line = summary(job, state)
    return flask.jsonify(
        **_line(job, state),
        directory=bench().jobs.path(id_),
        notes=job.notes,
        dataset_id=job.settings.get("dataset"),
        snapshots=[row["epoch"] for row in reversed(rows)],
        iterations=[row["iteration"] for row in reversed(rows)],
        best=best and {"iteration": best.iteration, "mean_iou": best.mean_iou},
        mean_iou=line.mean_iou,
        pixel_accuracy=line.accuracy,
        progress=as_live(job, state)["progress"],
        **more_words(job, state),
    )


@blueprint.post("/datasets/generic/create/<extension>", strict_slashes=False)
@blueprint.post("/datasets/generic/create/<extension>.json")
def create_dataset(extension: str) -> Any:
    """Make a dataset: the fields are those of the extension, or of the page for `images`."""
    if extension not in _EXTENSIONS and extension in bench().extensions.data:
        made = extending.create_dataset(extension, _with_defaults(DatasetForm, flask.request.form))
        if isinstance(made, dict):
            return _refused(made)
        return flask.jsonify(_line(*job_or_404(made.id)))
    if extension not in _EXTENSIONS:
        known = ", ".join(dict.fromkeys([*_EXTENSIONS, *bench().extensions.data]))
        raise InputError(f"{extension}: there is no such extension; there are {known}")
    sent = _renamed(flask.request.form, _EXTENSIONS[extension])
    if extension == "image-segmentation" and not sent.get("validation_feature_folder"):
        sent.setdefault("folder_pct_val", "10")  # DIGITS' default
    form = _with_defaults(DatasetForm, sent)
    for name in ("sbd", "folder_inside"):
        if sent.get(name):
            return _refused({name: ["is not supported here"]})
    job = make_dataset(form) if form.validate() else None
    if job is None:
        return _refused(form.as_errors())
    return flask.jsonify(_line(*job_or_404(job.id)))


@blueprint.post("/datasets/images/generic", strict_slashes=False)
@blueprint.post("/datasets/images/generic.json")
def create_dataset_of_databases() -> Any:
    """Make a dataset of LMDBs that are there, which stay where they are."""
    sent = flask.request.form
    if sent.get("prebuilt_mean_file"):
        words = "is not supported here: a model's form says what it subtracts"
        return _refused({"prebuilt_mean_file": [words]})
    form = _with_defaults(DatabasesForm, sent)
    job = make_dataset_of_databases(form) if form.validate() else None
    if job is None:
        return _refused(form.as_errors())
    return flask.jsonify(_line(*job_or_404(job.id)))


def _renamed(form: Any, names: Mapping[str, str]) -> Any:
    """Return a form's values under our names, with our defaults for what was not sent."""
    sent: werkzeug.datastructures.MultiDict[str, str] = werkzeug.datastructures.MultiDict()
    for name, value in form.items(multi=True):
        sent.add(names.get(name, name), value)
    return sent


def _with_defaults(kind: Any, sent: Any) -> Any:
    """Return a form of `kind` for scripts, whose fields have their defaults unless sent."""
    filled = werkzeug.datastructures.MultiDict(sent)
    for field in kind(formdata=None):
        default = "y" if field.data is True else field.data
        is_empty = default is None or default is False or default == ""
        if field.name not in filled and not is_empty:
            filled.add(field.name, str(default))
    return kind(werkzeug.datastructures.CombinedMultiDict([flask.request.files, filled]))


def _refused(errors: Mapping[str, Any]) -> Any:
    return flask.jsonify(errors=errors), 400


@blueprint.post("/models/images/generic", strict_slashes=False)
@blueprint.post("/models/images/generic.json")
def create_model() -> Any:
    """Train a model; several learning rates make one each."""
    sent = werkzeug.datastructures.MultiDict(flask.request.form)
    sent.setdefault("method", "custom")
    if sent.get("use_mean") == "image":
        sent["use_mean"] = "pixel"
    epoch = sent.get(f"{sent.get('previous_networks')}-snapshot")  # as DIGITS' form has it
    if epoch:
        sent.setdefault("previous_snapshot", _STARTS.get(epoch.removesuffix(".0"), epoch))
    form = _with_defaults(ModelForm, sent)
    jobs = make_jobs(form) if form.validate() else []
    if not jobs:
        return _refused(form.as_errors())
    lines = [_line(*job_or_404(job.id)) for job in jobs]
    return flask.jsonify({"jobs": lines} if len(lines) > 1 else lines[0])


@blueprint.post("/models/images/generic/infer_one.json")
def infer_one() -> Any:
    """Segment one image: all scores as nested lists, or with `form=rle` the masks as runs."""
    job, source = _asked_for_one()
    network = bench().networks.get(bench().jobs.path(job.id, RUN), trial_pages.weights_of(job))
    image, _ = source.load_for(network)
    scores, mask, blob = network.segment(image, source.title)
    if flask.request.values.get("form") == "rle":
        return flask.jsonify(
            height=mask.shape[0],
            width=mask.shape[1],
            classes=[
                {
                    "index": each.index,
                    "name": each.name,
                    "share": each.share,
                    "counts": column_runs(mask == each.index),
                }
                for each in legend(mask, network.palette, network.names or (), None)
            ],
        )
    return answers.with_scores([(None, blob, scores)])


@blueprint.post("/models/images/generic/infer_one.png")
def infer_one_png() -> Any:
    """Segment one image: the mask as a paletted PNG, whose indices are the classes."""
    job, source = _asked_for_one()
    network = bench().networks.get(bench().jobs.path(job.id, RUN), trial_pages.weights_of(job))
    image, _ = source.load_for(network)
    mask = network.segment(image, source.title)[1]
    buffer = io.BytesIO()
    paletted_image(mask, network.palette).save(buffer, "PNG")
    return flask.Response(buffer.getvalue(), mimetype="image/png")


def _asked_for_one() -> tuple[Job, Any]:
    job, _ = job_or_404(flask.request.values.get("job_id", ""), "model")
    return job, trial_pages.one_source(job)


def column_runs(mask: NDArray[np.bool_]) -> list[int]:
    """Return COCO's uncompressed runs of a mask: column by column, beginning with those outside."""
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate(([0], edges, [flat.size])))
    return ([0] if flat[0] else []) + [int(length) for length in lengths]


@blueprint.post("/models/images/generic/infer_many.json")
def infer_many() -> Any:
    """Segment up to 20 images: {"outputs": {path: {blob: nested lists}}, "left_out": N}."""
    job, _ = job_or_404(flask.request.values.get("job_id", ""), "model")
    return _outputs(job, list(trial_pages.many_sources(job, most=None)))


@blueprint.post("/models/images/generic/infer_db.json")
def infer_db() -> Any:
    """Segment up to 20 images of a database: {"outputs": {key: {blob: lists}}, "left_out": N}."""
    job, _ = job_or_404(flask.request.values.get("job_id", ""), "model")
    path = downloads.database_path(flask.request.values.get("db_path", ""))
    count, sources = downloads.database_sources(path, MOST_OUTPUTS)
    return _outputs(job, list(sources), count)


def _outputs(job: Job, sources: Sequence[Source], count: int | None = None) -> Any:
    """Return the answer for the first of `sources`, of which there are `count`."""
    network = bench().networks.get(bench().jobs.path(job.id, RUN), trial_pages.weights_of(job))
    chosen = sources[:MOST_OUTPUTS]
    if not chosen:
        raise InputError("image_list: expected an upload with one path per line")

    def outputs() -> Iterator[answers.Output]:
        found: set[str] = set()
        for source in chosen:
            image, _ = source.load_for(network)
            scores, _, blob = network.segment(image, source.title)
            # Uploads may share a name.
            title, number = source.title, 1
            while title in found:
                number += 1
                title = f"{source.title} ({number})"
            found.add(title)
            yield title, blob, scores

    left_out = (len(sources) if count is None else count) - len(chosen)
    more: dict[str, Any] = {"left_out": left_out}
    if left_out:
        more["note"] = (
            f"an answer has the first {MOST_OUTPUTS} images; {left_out} more are left out: ask "
            "again with those"
        )
    return answers.with_scores(outputs(), more)


@blueprint.route("/models/<id_>/download", methods=["GET", "POST"])
@blueprint.route("/models/<id_>/download.<ending>", methods=["GET", "POST"])
def download(id_: str, ending: str = "tar.gz") -> Any:
    """Return a model as tar.gz, tar, tar.bz2, zip (DIGITS), caffemodel, onnx or folder.zip."""
    job, _ = job_or_404(id_, "model")
    return downloads.respond(job, trial_pages.weights_of(job), ending)
