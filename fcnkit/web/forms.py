"""The host's own forms, whose fields have DIGITS' names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flask
import flask_wtf
import werkzeug.exceptions
import wtforms
from flask_wtf.file import FileField, MultipleFileField
from wtforms import validators

from .extensions import title_of
from .preview import MAX_SAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .preview import Preview


def refuse_json() -> None:
    """Refuse a request that posts JSON with anything in it, before a form takes it for fields."""
    request = flask.request
    length = request.content_length or 0
    is_empty = length <= len(b"{}") and request.is_json and request.get_data() in (b"", b"{}")
    if request.method == "POST" and request.is_json and not is_empty:
        raise werkzeug.exceptions.UnsupportedMediaType(
            "Expected the fields of a form, found JSON: send them as multipart/form-data or "
            "application/x-www-form-urlencoded."
        )


def _choices(pairs: Iterable[tuple[Any, str]]) -> list[Any]:
    """Turn (value, title) pairs into what the installed WTForms expects."""
    kind = getattr(wtforms, "SelectChoice", None)  # since 3.3
    return [kind(*pair) if kind else pair for pair in pairs]


class ModelForm(flask_wtf.FlaskForm):
    """The form on a model's page: which visualization, which dataset, what to test.

    Samples are chosen by number, never by path.
    """

    view_extension_id = wtforms.SelectField("Select Visualization Method")
    dataset = wtforms.SelectField("Dataset", coerce=int)
    # A page without samples lacks the field, which WTForms would take for an invalid choice.
    image_path = wtforms.SelectField(
        "Sample", coerce=int, validators=[validators.Optional()], validate_choice=False
    )
    image_file = FileField("Upload image")
    image_list = wtforms.SelectMultipleField("Samples", coerce=int)
    image_files = MultipleFileField("Upload images")

    def __init__(self, preview: Preview, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._count = len(preview.samples)
        views = preview.extensions.views
        self.view_extension_id.choices = _choices((key, title_of(views[key])) for key in views)
        self.dataset.choices = _choices(enumerate(d.name() for d in preview.datasets))
        samples = _choices(enumerate(sample.title for sample in preview.samples))
        self.image_path.choices = self.image_list.choices = samples

    def validate_image_list(self, field: wtforms.Field) -> None:
        """Refuse more samples than a page shows."""
        if len(field.data or ()) > MAX_SAMPLES:
            raise validators.ValidationError(f"A page shows at most {MAX_SAMPLES} samples.")

    def validate_image_path(self, field: wtforms.Field) -> None:
        """Refuse a number that no sample has."""
        if field.data is not None and not 0 <= field.data < self._count:
            raise validators.ValidationError("There is no such sample.")
