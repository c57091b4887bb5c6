"""A model's page, and what its buttons `Test One`, `Test Many` and `Test` show."""

import functools
import os

import flask
import werkzeug.exceptions

from caffeformat import InputError

from . import datasets, visualize
from .digits_stand_in.image import embed_image_html
from .extensions import title_of
from .forms import ModelForm
from .preview import MAX_SAMPLES

blueprint = flask.Blueprint("model", __name__)


def preview():
    """The `Preview` that this application shows."""
    return flask.current_app.extensions["fcnkit_preview"]


@blueprint.get("/")
def show():
    """The model's page."""
    return _show_with()


@blueprint.get("/models/view-config/<extension_id>")
def view_config(extension_id):
    """The options of a visualization, which the page asks for when one is chosen."""
    return visualize.config_html(_view(extension_id))


@blueprint.get("/datasets/inference-form/<int:number>")
def inference_form(number):
    """The inference form of the extension that made a dataset; nothing where there is none."""
    dataset, extension = _maker(number)
    if extension is None:
        return ""
    _, form = datasets.inference_form(extension, dataset)
    return datasets.inference_html(extension, form) if form else ""


@blueprint.post("/models/images/generic/infer_one")
def infer_one():
    """`Test One`: an uploaded image, or else one of the samples."""
    form = _checked_form()
    if form.image_file.data:
        chosen = _uploaded(form.image_file.data)
    elif form.image_path.data is not None and preview().samples:
        chosen = preview().samples[form.image_path.data]
    else:
        raise InputError("choose a sample or an image to upload, then Test One")
    sample = preview().load(chosen)
    page = _page(form, [(chosen.title, sample)])
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
def infer_many():
    """`Test Many`: uploaded images, or else the chosen samples, or else the first ones."""
    form = _checked_form()
    uploads = [upload for upload in form.image_files.data or () if upload]
    if len(uploads) > MAX_SAMPLES:
        raise InputError(f"a page shows at most {MAX_SAMPLES} samples, {len(uploads)} came")
    if uploads:
        chosen = [_uploaded(upload) for upload in uploads]
    else:
        numbers = form.image_list.data or range(min(MAX_SAMPLES, len(preview().samples)))
        chosen = [preview().samples[number] for number in numbers]
    if not chosen:
        raise InputError("choose samples or images to upload, then Test Many")
    loaders = ((each.title, functools.partial(preview().load, each)) for each in chosen)
    return _many("Test Many", form, loaders)


@blueprint.post("/models/images/generic/infer_extension")
def infer_extension():
    """`Test`: what the inference form of the dataset's extension picks, through the network."""
    form = _checked_form()
    dataset, extension = _maker(form.dataset.data)
    if extension is None:
        raise InputError("choose a dataset that a data extension made")
    if preview().segmenter is None:
        raise InputError(
            "this preview has no network to run on the dataset's images: start it with --net and "
            "--weights, --run or --digits-model"
        )
    instance, extension_form = datasets.inference_form(extension, dataset)
    if extension_form is None:
        raise InputError(f"{title_of(extension)} has no inference form")
    if not extension_form.validate_on_submit():
        return _show_with(visualize.errors_of(extension_form)), 400
    values = visualize.without_token(extension_form.data)
    count, entries = datasets.inference_entries(extension, instance, values, MAX_SAMPLES)
    if not entries:
        raise InputError(f"{title_of(extension)} picked nothing to test")
    loaders = (
        (str(number), functools.partial(preview().segmenter.sample, entry.image, f"entry {number}"))
        for number, entry in enumerate(entries)
    )
    notes = []
    if count > len(entries):
        notes.append(f"{count} images were picked; the first {len(entries)} are shown.")
    return _many("Test", form, loaders, notes)


def _many(what, form, loaders, notes=()):
    """The page of several samples, loaded one after the other: pairs (title, function)."""
    titles, notes = [], list(notes)

    def loaded():
        for title, load in loaders:
            try:
                sample = load()
            except InputError as error:
                # One image that cannot be read does not cost the others their page.
                notes.append(f"Left out: {error}")
                continue
            titles.append(title)
            notes.extend(f"{title}: {note}" for note in sample.notes)
            yield title, sample

    page = _page(form, loaded())
    return _render("test_many.html", page, what, paths=titles, notes=notes)


def _render(template, page, what, **context):
    """A page with the names that DIGITS' own templates have for its parts."""
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


def _page(form, samples):
    """The `visualize.Page` of samples, by what the form chose."""
    extension = _view(form.view_extension_id.data)
    options, errors = visualize.validated_options(extension)
    if errors:
        raise InvalidForm(errors)
    dataset = preview().datasets[form.dataset.data]
    return visualize.render(extension, dataset, options, samples)


class InvalidForm(Exception):
    """A form was filled with what it does not take; `errors` maps a label to sentences."""

    def __init__(self, errors):
        super().__init__(str(errors))
        self.errors = errors


def _checked_form():
    form = ModelForm(preview())
    if not form.validate_on_submit():
        raise InvalidForm(visualize.errors_of(form))
    return form


@blueprint.errorhandler(InvalidForm)
def _refused(error):
    return _show_with(error.errors), 400


def _show_with(errors=None):
    """The model's page; after a form was refused, with what was chosen on it."""
    form, options = ModelForm(preview()), ""
    if errors and form.view_extension_id.data in preview().extensions.views:
        options = visualize.config_html(_view(form.view_extension_id.data))
    return flask.render_template(
        "model.html", preview=preview(), form=form, errors=errors, options_html=options
    )


def _view(extension_id):
    """The visualization of that id; 404 for others."""
    if extension_id not in preview().extensions.views:
        raise werkzeug.exceptions.NotFound(f"There is no visualization {extension_id!r}.")
    return preview().extensions.views[extension_id]


def _maker(number):
    """(dataset, the extension that made it or None); 404 for a number without dataset."""
    if not 0 <= number < len(preview().datasets):
        raise werkzeug.exceptions.NotFound(f"There is no dataset {number}.")
    dataset = preview().datasets[number]
    return dataset, preview().extensions.data.get(dataset.extension_id)


def _uploaded(upload):
    # The name is only ever shown.
    return preview().uploaded(os.path.basename(upload.filename), upload.read())
