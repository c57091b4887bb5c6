"""Form fields with a tooltip, as digits.utils.forms has them."""

from __future__ import absolute_import, division, unicode_literals

import wtforms

try:
    from markupsafe import Markup
except ImportError:
    from flask import Markup


class Tooltip(object):
    """Shows as a question mark; like DIGITS', it does not escape its text."""

    def __init__(self, for_name, text):
        self.for_name = for_name
        self.text = text

    def __html__(self):
        return Markup(
            '<span name="%s_explanation" class="explanation-tooltip glyphicon '
            'glyphicon-question-sign" data-container="body" title="%s"></span>'
            % (self.for_name, self.text)
        )

    __str__ = __html__


def _field(base):
    class Field(base):
        def __init__(self, label="", validators=None, tooltip="", explanation_file="", **kwargs):
            super(Field, self).__init__(label, validators, **kwargs)
            self.tooltip = Tooltip(self.short_name, tooltip)

    Field.__name__ = base.__name__
    return Field


IntegerField = _field(wtforms.IntegerField)
FloatField = _field(wtforms.FloatField)
SelectField = _field(wtforms.SelectField)
SelectMultipleField = _field(wtforms.SelectMultipleField)
StringField = _field(wtforms.StringField)
BooleanField = _field(wtforms.BooleanField)
