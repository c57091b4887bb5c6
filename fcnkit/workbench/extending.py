"""Extensions written for DIGITS: their forms for datasets and tests, their views of results."""

from __future__ import annotations

import contextlib
import functools
import os
from typing import TYPE_CHECKING, Any

import flask
import werkzeug.exceptions

from caffeformat import InputError
from fcnkit.files import write_json
from fcnkit.images import ImageForm
from fcnkit.jobs import Evidence, Step
from fcnkit.web import (
    Calling,
    Dataset,
    config_html,
    create,
    errors_of,
    extension_file,
    frame_headers,
    framed_page,
    inference_entries,
    inference_form,
    inference_html,
    render,
    title_of,
    userdata_of,
    validated_options,
    vendor_file,
    without_token,
)

from . import trials
from .bench import bench
from .dataset_forms import LANE, DatasetForm, check_and_write
from .dataset_pages import open_or_why
from .job_pages import job_or_404
from .trials import Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from werkzeug.wrappers import Response

    from fcnkit.jobs import Job
    from fcnkit.web import Sample

    from .segmenting import OpenNetwork

blueprint = flask.Blueprint("extension", __name__)

FORM = "extension.json"  # in a dataset job's folder: the values of the extension's form
_KINDS = (str, int, float, bool, type(None))
_OURS = ("csrf_token", "job_id", "image_path", "image_folder", "snapshot_epoch", "entry")


def titles(kind: str) -> list[tuple[str, str]]:
    """Return (id, title) of the installed extensions, `kind` being `data` or `view`."""
    known = bench().extensions
    found: Mapping[str, Any] = known.data if kind == "data" else known.views
    return [(id_, title_of(extension)) for id_, extension in found.items()]


def accept_request() -> None:
    """Let forms of extensions take the request's values.

    `app` has checked where the request comes from; files that a form names must be under a data
    root, whatever the extension then does with them.
    """
    flask.g.csrf_valid = True
    for name, value in flask.request.form.items(multi=True):
        for line in () if name in _OURS else map(str.strip, value.splitlines()):
            if line.startswith(("/", "~", "\\")) or ".." in line.split("/") or ":\\" in line:
                try:
                    bench().places.find(line)
                except InputError as error:
                    raise InputError(f"{name}: {error.text}", options=error.options) from None


def data_extension(id_: str) -> Any:
    """Return a data extension; 404 where there is none."""
    if id_ not in bench().extensions.data:
        raise werkzeug.exceptions.NotFound(f"There is no data extension {id_!r}.")
    return bench().extensions.data[id_]


@blueprint.route("/datasets/generic/new/<extension_id>", methods=["GET", "POST"])
def new_dataset(extension_id: str) -> Any:
    """Show the form of a data extension, filled like that of `clone`; a valid one becomes a job."""
    extension = data_extension(extension_id)
    own: dict[str, Any] = {}
    values: dict[str, Any] = {}
    clone = bench().jobs.get(flask.request.args.get("clone", ""))
    if clone is not None and flask.request.method == "GET":
        own = {**clone[0].settings, "dataset_name": f"{clone[0].name} (copy)"}
        values = own.get("extension_values") or {}
    stored = DatasetForm(data=own)
    with_errors = False
    if flask.request.method == "POST":
        made = create_dataset(extension_id, stored)
        if not isinstance(made, dict):
            return flask.redirect(flask.url_for("dataset.show", id_=made.id))
        with_errors = True
    with Calling(extension, "showing its form"):
        form = extension.get_dataset_form()
        for name, value in values.items():
            if name in form:
                form[name].data = value
        if with_errors:
            form.validate()
        template, context = extension.get_dataset_template(form)
        html = flask.render_template_string(template, **context)
    page = flask.render_template(
        "extension_dataset.html", form=stored, title=title_of(extension), extension_html=html,
        id=extension_id, is_refused=with_errors,
    )  # fmt: skip
    return page, 400 if with_errors else 200


def create_dataset(extension_id: str, stored: DatasetForm) -> Job | dict[str, list[str]]:
    """Make a dataset's job of a request with an extension's form; errors by field where it cannot.

    `stored` says how it is named and stored.
    """
    extension = data_extension(extension_id)
    accept_request()
    stored.validate()
    with Calling(extension, "making its form"):
        form = extension.get_dataset_form()
        valid = form.validate_on_submit()
    errors = {name: [str(each) for each in words] for name, words in form.errors.items()}
    errors.update(stored.as_errors())
    values = without_token(form.data)
    for name, value in values.items():
        kinds = value if isinstance(value, list) else [value]
        if not all(isinstance(each, _KINDS) for each in kinds):
            errors[name] = ["uploads and the like are not passed on: name a file on the server"]
    if not valid or errors:
        return errors or {"form": ["is not valid"]}
    jobs = bench().jobs
    id_ = jobs.new_id()
    try:
        write_json(os.path.join(jobs.path(id_), FORM), values)
        arguments = ["prepare_extension_data", extension_id, "images", "--form", FORM, "--force"]
        steps = [Step("Extension", arguments, Evidence("images"))]
        steps += check_and_write(stored, "images")
        settings = {**stored.values(), "extension": extension_id, "extension_values": values}
        name = stored.dataset_name.data or title_of(extension)
        return jobs.add(id_, "dataset", name, LANE, steps, settings)
    finally:
        jobs.discard(id_)


def _dataset_of(job: Job, network: OpenNetwork | None = None) -> Dataset:
    """Return what an extension sees of a model's dataset: names and colours, or its own data."""
    found = bench().jobs.get(str(job.settings.get("dataset", "")))
    names, palette = (network.names, network.palette) if network else (None, None)
    if found is None:
        return Dataset(job.name, userdata_of(names, palette))
    made_by, values = (found[0].settings.get(key) for key in ("extension", "extension_values"))
    opened = open_or_why(found[0])[0]
    folder = shape = None
    if opened is not None:
        names, folder = names or opened.names, opened.path
        palette = opened.palette if palette is None else palette
        with contextlib.suppress(InputError, IndexError):
            shape = opened.pair(opened.splits[0], 0)[0].shape
    userdata = userdata_of(names, palette)
    if made_by in bench().extensions.data and isinstance(values, dict):
        userdata = create(bench().extensions.data[made_by], values).extension_userdata
    return Dataset(found[0].name, userdata, made_by, folder, shape)


@blueprint.get("/models/view-config/<extension_id>")
def view_config(extension_id: str) -> str:
    """Return the options of a visualization, which a page fetches when one is chosen."""
    return config_html(_view(extension_id))


def _view(extension_id: str) -> Any:
    if extension_id not in bench().extensions.views:
        raise werkzeug.exceptions.NotFound(f"There is no visualization {extension_id!r}.")
    return bench().extensions.views[extension_id]


def chosen_view(job: Job) -> trials.View | None:
    """Return what shows the samples of a test as the request asks; None: nothing but our own page.

    `InputError` for options that the visualization does not take.
    """
    id_ = flask.request.form.get("view_extension_id", "")
    if not id_:
        return None
    extension = _view(id_)
    accept_request()
    options, errors = validated_options(extension)
    if options is None:
        words = "; ".join(f"{label}: {' '.join(each)}" for label, each in (errors or {}).items())
        raise InputError(f"view_extension_id: {title_of(extension)}: {words}")

    def show(network: OpenNetwork, samples: Iterable[tuple[str, Sample]]) -> str:
        shown: list[str] = []

        def named() -> Iterable[tuple[str, Sample]]:
            for title, sample in samples:
                shown.append(title)
                yield title, sample

        page = render(extension, _dataset_of(job, network), options or {}, named())
        vendor = flask.url_for("extension.vendor", name="")
        return framed_page(page, shown, vendor.rstrip("/"))

    return show


@blueprint.get("/models/<id_>/tests/<trial>/view")
def view(id_: str, trial: str) -> Any:
    """Return what a visualization made of a test, a document for a frame."""
    job, _ = job_or_404(id_, "model")
    path = bench().jobs.path(id_, trials.TESTS, trial, trials.VIEW)
    if trial not in trials.kept(job) or not os.path.isfile(path):
        raise werkzeug.exceptions.NotFound()
    response = flask.send_file(path, mimetype="text/html")
    response.headers.update(frame_headers(flask.request.host))
    return response


def _for_frames(response: Response) -> Response:
    """Let frames in a sandbox, which have no origin, load a file."""
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


@blueprint.get("/extensions/vendor/<path:name>")
def vendor(name: str) -> Any:
    """Return a script or style that the templates of extensions are written for."""
    return _for_frames(vendor_file(name))


@blueprint.get("/extension-static/<kind>/<extension_id>/<path:filename>")
def file(kind: str, extension_id: str, filename: str) -> Any:
    """Return a static file of an extension."""
    return _for_frames(extension_file(bench().extensions, kind, extension_id, filename))


def _own_form(job: Job) -> tuple[Any, Any, Any]:
    """Return (extension, instance, form for tests) of a model's dataset; 404 where none is."""
    dataset = _dataset_of(job)
    extension = bench().extensions.data.get(dataset.extension_id or "")
    if extension is None:
        raise werkzeug.exceptions.NotFound("No extension made the model's dataset.")
    instance, form = inference_form(extension, dataset)
    if form is None:
        raise werkzeug.exceptions.NotFound(f"{title_of(extension)} has no form for tests.")
    return extension, instance, form


@blueprint.get("/models/<id_>/test/extension")
def test_form(id_: str) -> Any:
    """Show the form for tests of the extension that made a model's dataset."""
    job, _ = job_or_404(id_, "model")
    extension, _, form = _own_form(job)
    html = inference_html(extension, form)
    return flask.render_template(
        "extension_test.html", job=job, title=title_of(extension), extension_html=html, errors={}
    )


@blueprint.post("/models/images/generic/infer_extension")
def infer_extension() -> Any:
    """Test what the form of the extension that made the dataset picks, and lead to its page."""
    job, _ = job_or_404(flask.request.values.get("job_id", ""), "model")
    accept_request()
    extension, instance, form = _own_form(job)
    with Calling(extension, "reading its inference form"):
        valid = form.validate_on_submit()
    if not valid:
        page = flask.render_template(
            "extension_test.html", job=job, title=title_of(extension),
            extension_html=inference_html(extension, form), errors=errors_of(form),
        )  # fmt: skip
        return page, 400
    values = without_token(form.data)
    count, entries = inference_entries(extension, instance, values, trials.MOST_IMAGES)
    if not entries:
        raise InputError(f"{title_of(extension)} picked nothing to test")
    sources = [
        Source(
            f"entry {number}",
            functools.partial(_fitted, ImageForm(3, "uint8"), entry),
            functools.partial(_fitted, entry=entry),
        )
        for number, entry in enumerate(entries)
    ]
    if count > len(entries):
        flask.flash(f"{count} images were picked; the first {len(entries)} are shown.")
    id_, _ = trials.run(job, None, sources, view=chosen_view(job))
    return flask.redirect(flask.url_for("test.result", id_=job.id, trial=id_), 303)


def _fitted(form: ImageForm, entry: Any) -> Any:
    return form.fit(entry.image), entry.label
