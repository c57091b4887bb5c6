"""Stand-in for `digits.utils.forms`: WTForms' fields with a `tooltip`, and DIGITS' validators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import wtforms
from markupsafe import Markup
from wtforms import validators

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Validator = Callable[[wtforms.Form, wtforms.Field], None]

_TOOLTIP = Markup(
    '<span name="{}_explanation" class="explanation-tooltip glyphicon glyphicon-question-sign" '
    'data-container="body" title="{}"></span>'
)


def _as_choices(pairs: Any) -> Any:
    """Turn the (value, label) tuples of DIGITS' time into what WTForms 3.3 and later expects."""
    kind = getattr(wtforms, "SelectChoice", None)
    if kind is None or not isinstance(pairs, (list, tuple)):
        return pairs
    return [kind(*pair) if isinstance(pair, tuple) else pair for pair in pairs]


def _with_tooltip(base: Any) -> Any:
    class Field(base):
        def __init__(
            self,
            label: str = "",
            validators: Sequence[Validator] | None = None,
            tooltip: str = "",
            explanation_file: str = "",
            **kwargs: Any,
        ) -> None:
            if "choices" in kwargs:
                kwargs["choices"] = _as_choices(kwargs["choices"])
            super().__init__(label, validators, **kwargs)
            # Longer explanations are templates of DIGITS itself, which are not available.
            self.tooltip = _TOOLTIP.format(self.short_name, tooltip)
            self.explanation = Markup("")

        def __setattr__(self, name: str, value: Any) -> None:
            super().__setattr__(name, _as_choices(value) if name == "choices" else value)

    Field.__name__ = Field.__qualname__ = base.__name__
    Field.__doc__ = (
        f"WTForms' {base.__name__} with a tooltip: a question mark that shows an explanation."
    )
    return Field


BooleanField = _with_tooltip(wtforms.BooleanField)
FileField = _with_tooltip(wtforms.FileField)
FloatField = _with_tooltip(wtforms.FloatField)
IntegerField = _with_tooltip(wtforms.IntegerField)
SelectField = _with_tooltip(wtforms.SelectField)
SelectMultipleField = _with_tooltip(wtforms.SelectMultipleField)
StringField = TextField = _with_tooltip(wtforms.StringField)
TextAreaField = _with_tooltip(wtforms.TextAreaField)


def validate_required_iff(**conditions: object) -> Validator:
    """Make a validator: the field is required if other fields have these values, else optional."""

    def validate(form: wtforms.Form, field: wtforms.Field) -> None:
        if any(form[name].data != value for name, value in conditions.items()):
            field.errors[:] = []
            raise validators.StopValidation()
        if field.data is None or not str(field.data).strip():
            raise validators.ValidationError("This field is required.")

    return validate


def validate_greater_than(fieldname: str) -> Validator:
    """Make a validator: the field's value must not be below that of the field `fieldname`."""

    def validate(form: wtforms.Form, field: wtforms.Field) -> None:
        if field.data not in (None, "") and field.data < form[fieldname].data:
            raise validators.ValidationError(f"Field must be greater than {fieldname}.")

    return validate
