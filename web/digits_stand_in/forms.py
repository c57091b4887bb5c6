"""Stands in for `digits.utils.forms`: WTForms' fields with a `tooltip`, and DIGITS' validators."""

import wtforms
from markupsafe import Markup
from wtforms import validators

_TOOLTIP = Markup(
    '<span name="{}_explanation" class="explanation-tooltip glyphicon glyphicon-question-sign" '
    'data-container="body" title="{}"></span>'
)


def _with_tooltip(base):
    class Field(base):
        def __init__(self, label="", validators=None, tooltip="", explanation_file="", **kwargs):
            super().__init__(label, validators, **kwargs)
            # Longer explanations are templates of DIGITS' own, which are not here.
            self.tooltip = _TOOLTIP.format(self.short_name, tooltip)
            self.explanation = Markup("")

    Field.__name__ = Field.__qualname__ = base.__name__
    Field.__doc__ = f"WTForms' {base.__name__} with a tooltip: a question mark that tells more."
    return Field


BooleanField = _with_tooltip(wtforms.BooleanField)
FileField = _with_tooltip(wtforms.FileField)
FloatField = _with_tooltip(wtforms.FloatField)
IntegerField = _with_tooltip(wtforms.IntegerField)
SelectField = _with_tooltip(wtforms.SelectField)
SelectMultipleField = _with_tooltip(wtforms.SelectMultipleField)
StringField = TextField = _with_tooltip(wtforms.StringField)
TextAreaField = _with_tooltip(wtforms.TextAreaField)


def validate_required_iff(**conditions):
    """A validator: the field is required where other fields have these values, else optional."""

    def validate(form, field):
        if any(form[name].data != value for name, value in conditions.items()):
            field.errors[:] = []
            raise validators.StopValidation()
        if field.data is None or not str(field.data).strip():
            raise validators.ValidationError("This field is required.")

    return validate


def validate_greater_than(fieldname):
    """A validator: the field's value is not below that of the field `fieldname`."""

    def validate(form, field):
        if field.data not in (None, "") and field.data < form[fieldname].data:
            raise validators.ValidationError(f"Field must be greater than {fieldname}.")

    return validate
