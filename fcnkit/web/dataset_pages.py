"""Pages about datasets: creating one with a data extension, and showing what one contains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flask
import flask_wtf
import werkzeug.exceptions
from PIL import Image

from fcnkit.images import as_rgb

from . import datasets, visualize
from .digits_stand_in.image import embed_image_html
from .extensions import Calling
from .model_pages import preview

if TYPE_CHECKING:
    from collections.abc import Sequence

    from werkzeug.wrappers import Response

blueprint = flask.Blueprint("dataset", __name__, url_prefix="/datasets")


@blueprint.route("/generic/new/<extension_id>", methods=["GET", "POST"])
def new(extension_id: str) -> Response | tuple[str, int]:
    """Show the form of a data extension; a valid one creates a dataset."""
    if extension_id not in preview().extensions.data:
        raise werkzeug.exceptions.NotFound(f"There is no data extension {extension_id!r}.")
    extension = preview().extensions.data[extension_id]
    own = flask_wtf.FlaskForm()  # carries only the token
    with Calling(extension, "making its form"):
        form = extension.get_dataset_form()
        valid = form.validate_on_submit()
    if valid:
        dataset = datasets.create(extension, visualize.without_token(form.data))
        number = preview().add_dataset(dataset)
        return flask.redirect(flask.url_for("dataset.show", number=number))
    with Calling(extension, "showing its form"):
        template, context = extension.get_dataset_template(form)
        html = flask.render_template_string(template, **context)
    page = flask.render_template(
        "dataset_new.html", preview=preview(), extension=extension, form=own, extension_html=html
    )
    return page, 400 if form.errors else 200


@blueprint.get("/<int:number>")
def show(number: int) -> str:
    """Show the names, colours and first entries of a dataset."""
    if not 0 <= number < len(preview().datasets):
        raise werkzeug.exceptions.NotFound(f"There is no dataset {number}.")
    dataset = preview().datasets[number]
    palette: Sequence[int] | None = dataset.extension_userdata.get("color_palette")
    extension = preview().extensions.data.get(dataset.extension_id or "")
    stages: dict[str, tuple[int, list[Any]]] = {}
    if extension is not None:
        for stage in datasets.STAGES:
            count, entries = datasets.stage_entries(extension, dataset, stage)
            stages[stage] = (count, [_data_uris(entry, palette) for entry in entries])
    return flask.render_template(
        "dataset.html", preview=preview(), dataset=dataset, palette=palette, stages=stages
    )


def _data_uris(entry: datasets.Entry, palette: Sequence[int] | None) -> tuple[str, str | None]:
    """Return (image, label or None) as data URIs; labels are painted in the dataset's palette."""
    if entry.label is None:
        return embed_image_html(as_rgb(entry.image)), None
    label = Image.fromarray(entry.label)
    if palette:
        label.putpalette(bytes(palette))
    label.format = "png"
    return embed_image_html(as_rgb(entry.image)), embed_image_html(label)
