"""The host's own forms, with DIGITS' names for their fields."""

import flask_wtf
import wtforms
from flask_wtf.file import FileField, MultipleFileField
from wtforms import validators

from .preview import MAX_SAMPLES


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
        self.view_extension_id.choices = [
            (key, str(view.get_title())) for key, view in preview.extensions.views.items()
        ]
        self.dataset.choices = [(i, d.name()) for i, d in enumerate(preview.datasets)]
        self.image_path.choices = self.image_list.choices = [
            (number, sample.title) for number, sample in enumerate(preview.samples)
        ]

    def validate_image_list(self, field):
        """Refuse more samples than a page shows."""
        if len(field.data or ()) > MAX_SAMPLES:
            raise validators.ValidationError(f"A page shows at most {MAX_SAMPLES} samples.")

    def validate_image_path(self, field):
        """Refuse the number of no sample."""
        if field.data is not None and not 0 <= field.data < self._count:
            raise validators.ValidationError("There is no such sample.")
