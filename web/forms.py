"""The host's own forms, with DIGITS' names for their fields."""

import flask_wtf
import wtforms
from flask_wtf.file import FileField, MultipleFileField
from wtforms import validators

from .extensions import title_of
from .preview import MAX_SAMPLES


def _choices(pairs):
    """(value, title) pairs as this WTForms wants them."""
    kind = getattr(wtforms, "SelectChoice", None)  # since 3.3
    return [kind(*pair) if kind else pair for pair in pairs]


class ModelForm(flask_wtf.FlaskForm):
    """What a model's page asks: which visualization, which dataset, what to test.

    Samples go by their number, never by a path.
    """

    view_extension_id = wtforms.SelectField("Select Visualization Method")
    dataset = wtforms.SelectField("Dataset", coerce=int)
    # Without samples the page does not have it, which WTForms would take for a wrong choice.
    image_path = wtforms.SelectField(
        "Sample", coerce=int, validators=[validators.Optional()], validate_choice=False
    )
    image_file = FileField("Upload image")
    image_list = wtforms.SelectMultipleField("Samples", coerce=int)
    image_files = MultipleFileField("Upload images")

    def __init__(self, preview, **kwargs):
        super().__init__(**kwargs)
        self._count = len(preview.samples)
        views = preview.extensions.views
        self.view_extension_id.choices = _choices((key, title_of(views[key])) for key in views)
        self.dataset.choices = _choices(enumerate(d.name() for d in preview.datasets))
        samples = _choices(enumerate(sample.title for sample in preview.samples))
        self.image_path.choices = self.image_list.choices = samples

    def validate_image_list(self, field):
        """Refuse more samples than a page shows."""
        if len(field.data or ()) > MAX_SAMPLES:
            raise validators.ValidationError(f"A page shows at most {MAX_SAMPLES} samples.")

    def validate_image_path(self, field):
        """Refuse the number of no sample."""
        if field.data is not None and not 0 <= field.data < self._count:
            raise validators.ValidationError("There is no such sample.")
