"""Pages of models: a new one, and one that trains or has trained."""

from __future__ import annotations

import base64
import os
import re
from typing import TYPE_CHECKING, Any

import flask
import werkzeug.exceptions

from caffeformat import InputError, draw_network, read_net
from fcnkit.jobs import tail
from fcnkit.training import columns

from . import augmenting, networks
from .bench import bench
from .dataset_pages import facts_of, open_dataset, open_or_why
from .fields import remind_of_uploads
from .job_pages import RESUMABLE, job_or_404, job_page
from .model_forms import ModelForm
from .model_jobs import FCN, NET, RUN, TRAIN_VAL, make_jobs
from .pictures import picture
from .scores import rows_after
from .snapshots import best_of, epoch_of, snapshot_rows, snapshots
from .summaries import as_live, curve_rows

if TYPE_CHECKING:
    from collections.abc import Callable

blueprint = flask.Blueprint("model", __name__, url_prefix="/models")

# Points of a curve that a page draws; more are thinned out.
_POINTS = 2000
# What every run that is resumed says.
_ROUTINE = re.compile("to resume from: starting|^continuing from ")
# With its reasons, which are indented below it.
_NOTE = re.compile(r"^(note|warning): (.*(?:\n  .*)*)", re.M)


@blueprint.route("/new", methods=["GET", "POST"])
def new() -> Any:
    """Show the form of a new model, filled like that of `clone`; a valid one becomes jobs."""
    args = flask.request.args
    filled: dict[str, Any] = {"dataset": args.get("dataset")}
    if "previous" in args:
        filled.update(method="previous", previous_networks=args["previous"])
        filled["previous_snapshot"] = args.get("snapshot")
    clone = bench().jobs.get(args.get("clone", ""))
    if clone is not None:
        filled = {**clone[0].settings, "model_name": f"{clone[0].name} (copy)"}
        if flask.request.method == "GET":
            remind_of_uploads(clone[0])
    form = ModelForm(data=filled if flask.request.method == "GET" else None)
    if form.validate_on_submit():
        made = make_jobs(form)
        if made:
            if len(made) > 1:
                flask.flash(f"{len(made)} models wait in line.")
                return flask.redirect(flask.url_for("home.show"))
            return flask.redirect(flask.url_for("model.show", id_=made[0].id))
    page = flask.render_template(
        "model_new.html", form=form, roots=bench().places.roots, sets=augmenting.of_sets()
    )
    return page, 400 if form.is_refused else 200


@blueprint.post("/check-network")
def check_network() -> Any:
    """Return what is wrong with a pasted prototxt, for the page to show while it is typed."""
    text = flask.request.form.get("network", "")
    found = bench().jobs.get(flask.request.form.get("dataset", ""))
    classes = None
    if found is not None and found[0].kind == "dataset":
        opened, _ = open_or_why(found[0])
        names = facts_of(found[0], opened).names
        classes = len(names) if names else None
    looked = networks.look_at(text, classes)
    return flask.jsonify(
        troubles=[trouble._asdict() for trouble in looked.troubles],
        warnings=looked.warnings,
        layers=looked.layers,
        classes=looked.classes,
    )


@blueprint.post("/visualize-network")
def visualize_network() -> Any:
    """Return a picture of a prototxt, as DIGITS does."""
    net = networks.pasted_net(flask.request.form.get("custom_network", ""))
    return flask.Response(draw_network(net).svg(), mimetype="image/svg+xml")


@blueprint.get("/recipes/<name>.json")
def recipe(name: str) -> Any:
    """Return the training settings that a network of the zoo was published with."""
    if name not in networks.segmentation_networks():
        raise werkzeug.exceptions.NotFound(f"There is no network {name}.")
    return flask.jsonify(networks.recipe(name))


@blueprint.get("/samples.json")
def samples() -> Any:
    """Return eight images of a dataset as the net will get them, with their labels.

    Arguments are the form's fields of augmentation; what is wrong with one is returned as the
    form's errors are.
    """
    args = flask.request.args
    job, _ = job_or_404(args.get("dataset", ""), "dataset")
    opened = open_dataset(job)
    form = augmenting.SampleForm(formdata=args)
    form.validate()
    augmenting.check(form)
    if form.is_refused:
        return flask.jsonify(errors=form.as_errors()), 400
    values = form.values()
    options = augmenting.options(values)
    made = []
    seed = args.get("seed", 1, type=int) % 2**32
    for sample in opened.augmented(opened.splits[0], options, 8, seed):
        shown = {"title": sample.id, "words": sample.words}
        if sample.image is not None and sample.label is not None:
            for kind in ("image", "mask"):
                shown[kind] = _embedded(kind, sample.image, sample.label, opened.palette)
        made.append(shown)
    given = augmenting.texts(values)
    text = "" if given is None else " ".join(["--augment", *given])
    return flask.jsonify(samples=made, text=text)


def _embedded(kind: str, image: Any, label: Any, palette: Any) -> str:
    data, mime = picture(kind, image, label, palette, 240)
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


@blueprint.get("/cards/<name>")
def card(name: str) -> Any:
    """Return the card of a network of the zoo, as text."""
    return _of_network(networks.card, name, "text/plain")


@blueprint.get("/cards/<name>.svg")
def card_picture(name: str) -> Any:
    """Return a picture of a network of the zoo."""
    return _of_network(networks.drawn, name, "image/svg+xml")


def _of_network(make: Callable[[str], str | bytes], name: str, mimetype: str) -> Any:
    """Answer with what `make` says of the network `name` of the zoo; 404 if there is none."""
    try:
        return flask.Response(make(name), mimetype=mimetype)
    except InputError:
        raise werkzeug.exceptions.NotFound(f"There is no network {name}.") from None


@blueprint.get("/<id_>")
def show(id_: str) -> Any:
    """Show a model: curves, log, snapshots, and what can be done with it."""
    job, state = job_or_404(id_, "model")
    run = bench().jobs.path(id_, RUN)
    found = snapshot_rows(id_, job)
    dataset = bench().jobs.get(str(job.settings.get("dataset", "")))
    opened = open_or_why(dataset[0])[0] if dataset else None
    splits = opened.splits if opened else []
    return job_page(
        "model.html",
        job,
        state,
        snapshots=found,
        has_best=best_of(run) is not None,
        dataset=dataset[0] if dataset else None,
        split="val" if "val" in splits else next(iter(splits), ""),
        names=list((opened.names if opened else None) or ()),
        notes=_notes(id_),
        has_net=bool(_net_of(id_)),
        has_surgery=os.path.isfile(bench().jobs.path(id_, FCN, "surgery.txt")),
        surgery=tail(bench().jobs.path(id_, FCN, "surgery.txt"), 20000),
        can_resume=state.state in RESUMABLE and bool(job.steps),
        has_run=os.path.isdir(run),
    )


def _notes(id_: str) -> list[tuple[str, str]]:
    """Return the (kind, text) of notes and warnings in the log, each as it was said last."""
    text = tail(bench().jobs.path(id_, "log.txt"), 64 << 10)
    found: dict[str, tuple[str, str]] = {}
    for kind, words in _NOTE.findall(text):
        if not _ROUTINE.search(words):
            found[words.splitlines()[0]] = (kind, words)
    return list(found.values())[-12:]


def _net_of(id_: str) -> str | None:
    for place in (NET, FCN):
        path = bench().jobs.path(id_, place, TRAIN_VAL)
        if os.path.isfile(path):
            return path
    return None


@blueprint.get("/<id_>/live.json")
def live(id_: str) -> Any:
    """Return how far a model is, the end of its log, and its curves after iteration `after`."""
    job, state = job_or_404(id_, "model")
    after = flask.request.args.get("after", -1, type=int)
    rows = rows_after(curve_rows(id_), after)
    names = columns(rows)[1:]
    step = max(1, len(rows) // _POINTS)
    kept = [
        row
        for number, row in enumerate(rows)
        if number % step == 0 or any(name.startswith("test") for name in row)
    ]
    return flask.jsonify(
        **as_live(job, state),
        log=tail(bench().jobs.path(id_, "log.txt"), 6000),
        iterations=[int(row["iteration"]) for row in kept],
        curves={name: [_finite(row.get(name)) for row in kept] for name in names},
        snapshots=len(snapshots(bench().jobs.path(id_, RUN))),
        epoch=epoch_of(job),
        total=job.settings.get("iterations"),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and abs(value) < float("inf") else None


@blueprint.get("/<id_>/network.svg")
def network_picture(id_: str) -> Any:
    """Return a picture of a model's network."""
    job_or_404(id_, "model")
    path = _net_of(id_)
    deploy = bench().jobs.path(id_, RUN, "deploy.prototxt")
    path = deploy if os.path.isfile(deploy) else path
    if path is None:
        raise werkzeug.exceptions.NotFound("There is no network yet.")
    return flask.Response(draw_network(read_net(path)).svg(), mimetype="image/svg+xml")
