"""What the extensions import from DIGITS, with stand-ins for when DIGITS is not installed.

Under DIGITS the extension classes derive from its interfaces, use its constants and build their
forms from its fields. Elsewhere (the command line, another host) the stand-ins below take their
place: the same names, and fields that accept and keep a `tooltip`.
"""

from __future__ import absolute_import, division, unicode_literals

import re
import sys

from .text import read_text

try:
    from digits.extensions.view.interface import VisualizationInterface
except ImportError:

    class VisualizationInterface(object):
        """Stand-in for DIGITS' base class of visualizations."""

        def __init__(self, **kwargs):
            pass


try:
    from digits.extensions.data.interface import DataIngestionInterface
except ImportError:

    class DataIngestionInterface(object):
        """Stand-in for DIGITS' base class of data extensions: keeps the form's values."""

        def __init__(self, is_inference_db=False, **kwargs):
            self.userdata = kwargs
            for name in kwargs:
                setattr(self, name, kwargs[name])

        def get_user_data(self):
            return self.userdata


try:
    from digits.utils.constants import COLOR_PALETTE_ATTRIBUTE, TEST_DB, TRAIN_DB, VAL_DB
except ImportError:
    COLOR_PALETTE_ATTRIBUTE = "color_palette"
    TRAIN_DB, VAL_DB, TEST_DB = "train_db", "val_db", "test_db"

# Where DIGITS' own views look for class names in a dataset's user data.
CLASS_LABELS_ATTRIBUTE = "class_labels"

# Our own key in the user data, which datasets of other extensions lack.
VAL_NAMES = "fcn_val_names"


def offers_inference_forms():
    """Return whether the host lets its users choose between inference forms, as DIGITS 6 does.

    DIGITS 5 shows the form of the dataset's extension in place of Test One and Test Many.
    """
    views = sys.modules.get("digits.dataset.views")
    if views is not None:
        return hasattr(views, "inference_form")
    try:
        from digits import __version__ as version
    except ImportError:
        try:
            from digits.version import __version__ as version
        except ImportError:
            return True
    major = str(version).split(".")[0]
    return not major.isdigit() or int(major) > 5


def network_size():
    """Return (height, width) of the input of the network that DIGITS' request is about, or None.

    DIGITS reshapes a network for one image, but puts several into an input of this size.
    """
    routing = sys.modules.get("digits.utils.routing")
    try:
        task = routing.job_from_request().train_task()
        deploy = read_text(task.path(task.deploy_file))
    except Exception:  # not DIGITS, or a network of another framework than Caffe
        return None
    shape = re.findall(r"\b(?:input_)?dim:\s*(\d+)", deploy)[:4]
    return (int(shape[2]), int(shape[3])) if len(shape) == 4 else None


def form_base():
    """Return Flask-WTF's form class, whose name depends on the version."""
    import flask_wtf

    return getattr(flask_wtf, "FlaskForm", None) or flask_wtf.Form


def fields():
    """Return a module or class with SelectField, IntegerField, StringField, SelectMultipleField.

    Imported only when a form is made: DIGITS' fields pull in the whole web application.
    """
    try:
        from digits.utils import forms

        return forms
    except ImportError:
        return _stand_in_fields()


def _stand_in_fields():
    import wtforms

    class Fields(object):
        """The four kinds of field that the forms use."""

    for name in ("SelectField", "IntegerField", "StringField", "SelectMultipleField"):
        setattr(Fields, name, _with_tooltip(getattr(wtforms, name)))
    return Fields


def _with_tooltip(base):
    class Field(base):
        def __init__(self, label="", validators=None, tooltip="", **kwargs):
            super(Field, self).__init__(label, validators, **kwargs)
            self.tooltip = _question_mark(tooltip)

    Field.__name__ = base.__name__
    return Field


def _question_mark(words):
    """Return Bootstrap's question mark that shows `words` on hover, as HTML."""
    from markupsafe import Markup

    return Markup('<span class="glyphicon glyphicon-question-sign" title="%s"></span>') % words
