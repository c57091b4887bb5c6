"""A model's page, and the results that its buttons `Test One`, `Test Many` and `Test` show."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

import flask
import werkzeug.exceptions

from caffeformat import InputError

from . import datasets, visualize
from .digits_stand_in.image import embed_image_html
from .extensions import title_of
from .forms import ModelForm
from .preview import MAX_SAMPLES, NO_NETWORK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from werkzeug.datastructures import FileStorage

    from .extensions import DataExtension, ViewExtension
    from .preview import Loadable, Preview
    from .samples import Sample

blueprint = flask.Blueprint("model", __name__)


def preview() -> Preview:
    """Return the `Preview` that this application shows."""
    shown: Preview = flask.current_app.extensions["fcnkit_preview"]
    return shown


@blueprint.get("/")
def show() -> str:
    """Show the model's page."""
    return _model_page()


@blueprint.get("/models/view-config/<extension_id>")
def view_config(extension_id: str) -> str:
    """Return the options of a visualization, which the page fetches when one is chosen."""
    return visualize.config_html(_view(extension_id))


@blueprint.get("/datasets/inference-form/<int:number>")
def inference_form(number: int) -> str:
    """Return the inference form of the extension that made a dataset; empty where there is none."""
    dataset, extension = _dataset_and_maker(number)
    if extension is None:
        return ""
    _, form = datasets.inference_form(extension, dataset)
    return datasets.inference_html(extension, form) if form else ""


@blueprint.post("/models/images/generic/infer_one")
def infer_one() -> str:
    """Show `Test One`: an uploaded image, otherwise one of the samples."""
    chosen: Loadable
    form = _checked_form()
    if form.image_file.data:
        chosen = _uploaded(form.image_file.data)
    elif form.image_path.data is not None and preview().samples:
        chosen = preview().samples[form.image_path.data]
    else:
        raise InputError("choose a sample or upload an image, then press Test One")
    sample = preview().load(chosen)
    page = _rendered(form, [(chosen.title, sample)])
    return _render(
        "test_one.html",
        page,
        "Test One",
        title=chosen.title,
        notes=sample.notes,
        image_src=embed_image_html(sample.image),
        inference_view_html=page.views[0],
    )


@blueprint.post("/models/images/generic/infer_many")
def infer_many() -> str:
    """Show `Test Many`: uploaded images, otherwise the chosen samples, otherwise the first ones."""
    chosen: Sequence[Loadable]
    form = _checked_form()
    uploads = [upload for upload in form.image_files.data or () if upload]
    if len(uploads) > MAX_SAMPLES:
        raise InputError(
            f"a page shows at most {MAX_SAMPLES} samples; {len(uploads)} were uploaded"
        )
    if uploads:
        chosen = [_uploaded(upload) for upload in uploads]
    else:
        numbers = form.image_list.data or range(min(MAX_SAMPLES, len(preview().samples)))
        chosen = [preview().samples[number] for number in numbers]
    if not chosen:
        raise InputError("choose samples or upload images, then press Test Many")
    loaders = ((each.title, functools.partial(preview().load, each)) for each in chosen)
    return _many_page("Test Many", form, loaders)


@blueprint.post("/models/images/generic/infer_extension")
def infer_extension() -> str | tuple[str, int]:
    """Show `Test`: run the network on what the dataset extension's inference form picks."""
    form = _checked_form()
    dataset, extension = _dataset_and_maker(form.dataset.data)
    if extension is None:
        raise InputError("choose a dataset that was made by a data extension")
    segmenter = preview().segmenter
    if segmenter is None:
        raise InputError(NO_NETWORK)
    instance, extension_form = datasets.inference_form(extension, dataset)
    if extension_form is None:
        raise InputError(f"{title_of(extension)} has no inference form")
    if not extension_form.validate_on_submit():
        return _model_page(visualize.errors_of(extension_form)), 400
    values = visualize.without_token(extension_form.data)
    count, entries = datasets.inference_entries(extension, instance, values, MAX_SAMPLES)
    if not entries:
        raise InputError(f"{title_of(extension)} picked nothing to test")
    loaders = (
        (str(number), functools.partial(segmenter.sample, entry.image, f"entry {number}"))
        for number, entry in enumerate(entries)
    )
    notes = []
    if count > len(entries):
        notes.append(f"{count} images were picked; the first {len(entries)} are shown.")
    return _many_page("Test", form, loaders, notes)


def _many_page(
    what: str,
    form: ModelForm,
    loaders: Iterable[tuple[str, Callable[[], Sample]]],
    remarks: Iterable[str] = (),
) -> str:
    """Return the page of several samples, given as (title, function), loaded one by one."""
    titles, notes = [], list(remarks)

    def loaded() -> Iterator[tuple[str, Sample]]:
        for title, load in loaders:
            try:
                sample = load()
            except InputError as error:
                # One unreadable image must not take the page from the others.
                notes.append(f"Left out: {error.for_command_line()}")
                continue
            titles.append(title)
            notes.extend(f"{title}: {note}" for note in sample.notes)
            yield title, sample

    page = _rendered(form, loaded())
    return _render("test_many.html", page, what, paths=titles, notes=notes)


def _render(template: str, page: visualize.Page, what: str, **context: object) -> str:
    """Fill a template, whose variables have the names of those in DIGITS' own templates."""
    return flask.render_template(
        template,
        preview=preview(),
        what=what,
        header_html=page.header,
        app_begin_html=page.begin,
        app_end_html=page.end,
        visualizations=page.views,
        **context,
    )


def _rendered(form: ModelForm, samples: Iterable[tuple[str, Sample]]) -> visualize.Page:
    """Let the visualization that the form chose render samples."""
    extension = _view(form.view_extension_id.data)
    options, errors = visualize.validated_options(extension)
    if options is None:
        raise InvalidForm(errors or {})
    dataset = preview().datasets[form.dataset.data]
    return visualize.render(extension, dataset, options, samples)


class InvalidForm(Exception):
    """A form was filled with invalid values; `errors` maps a label to sentences."""

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        super().__init__(str(errors))
        self.errors = errors


def _checked_form() -> ModelForm:
    form = ModelForm(preview())
    if not form.validate_on_submit():
        raise InvalidForm(visualize.errors_of(form))
    return form


@blueprint.errorhandler(InvalidForm)
def _refused(error: InvalidForm) -> tuple[str, int]:
    return _model_page(error.errors), 400


def _model_page(errors: Mapping[str, Sequence[str]] | None = None) -> str:
    """Return the model's page; after a form was refused, with the choices made on it."""
    form, options = ModelForm(preview()), ""
    if errors and form.view_extension_id.data in preview().extensions.views:
        options = visualize.config_html(_view(form.view_extension_id.data))
    return flask.render_template(
        "model.html", preview=preview(), form=form, errors=errors, options_html=options
    )


def _view(extension_id: str) -> ViewExtension:
    """Return the visualization with that id; 404 if there is none."""
    if extension_id not in preview().extensions.views:
        raise werkzeug.exceptions.NotFound(f"There is no visualization {extension_id!r}.")
    return preview().extensions.views[extension_id]


def _dataset_and_maker(number: int) -> tuple[datasets.Dataset, DataExtension | None]:
    """Return (dataset, the extension that made it or None); 404 if there is no such dataset."""
    if not 0 <= number < len(preview().datasets):
        raise werkzeug.exceptions.NotFound(f"There is no dataset {number}.")
    dataset = preview().datasets[number]
    return dataset, preview().extensions.data.get(dataset.extension_id or "")


def _uploaded(upload: FileStorage) -> Loadable:
    # The name is only ever shown.
    return preview().uploaded(os.path.basename(upload.filename or ""), upload.read())
