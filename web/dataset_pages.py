"""Datasets: a new one by a data extension, and what is in one."""

import flask
import flask_wtf
import werkzeug.exceptions
from PIL import Image

from . import datasets, visualize
from .digits_stand_in.image import embed_image_html
from .extensions import calling
from .model_pages import preview

blueprint = flask.Blueprint("dataset", __name__, url_prefix="/datasets")


@blueprint.route("/generic/new/<extension_id>", methods=["GET", "POST"])
def new(extension_id):
    """The form of a data extension; filled well, it makes a dataset."""
    if extension_id not in preview().extensions.data:
        raise werkzeug.exceptions.NotFound(f"There is no data extension {extension_id!r}.")
    extension = preview().extensions.data[extension_id]
    own = flask_wtf.FlaskForm()  # carries the token only
    with calling(extension, "making its form"):
        form = extension.get_dataset_form()
        valid = form.validate_on_submit()
    if valid:
        dataset = datasets.create(extension, visualize.without_token(form.data))
        number = preview().add_dataset(dataset)
        return flask.redirect(flask.url_for("dataset.show", number=number))
    with calling(extension, "showing its form"):
        template, context = extension.get_dataset_template(form)
        html = flask.render_template_string(template, **context)
    return flask.render_template(
        "dataset_new.html", preview=preview(), extension=extension, form=own, extension_html=html
    ), (400 if form.errors else 200)


@blueprint.get("/<int:number>")
def show(number):
    """Names, colours and first entries of a dataset."""
    if not 0 <= number < len(preview().datasets):
        raise werkzeug.exceptions.NotFound(f"There is no dataset {number}.")
    dataset = preview().datasets[number]
    palette = dataset.extension_userdata.get("color_palette")
    extension = preview().extensions.data.get(dataset.extension_id)
    stages = {}
    if extension is not None:
        for stage in datasets.STAGES:
            count, entries = datasets.stage_entries(extension, dataset, stage)
            stages[stage] = (count, [_pictures(entry, palette) for entry in entries])
    return flask.render_template(
        "dataset.html", preview=preview(), dataset=dataset, palette=palette, stages=stages
    )


def _pictures(entry, palette):
    """(image, label or None) as data URIs; labels are painted by the dataset's palette."""
    if entry.label is None:
        return embed_image_html(entry.image), None
    label = Image.fromarray(entry.label)
    if palette:
        label.putpalette(bytes(palette))
    label.format = "png"
    return embed_image_html(entry.image), embed_image_html(label)
