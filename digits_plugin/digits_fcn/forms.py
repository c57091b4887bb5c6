"""The forms on DIGITS' pages, which report mistakes at the field that has them."""

from __future__ import absolute_import, division, unicode_literals

import wtforms
from wtforms import validators

from . import contract, names, palette
from .errors import FcnError
from .text import read_text, to_text
from .voc import Sbd, Voc

_fields = contract.fields()
_Form = contract.form_base()

LABEL_KINDS = [
    ("auto", "As found: paletted, grey or RGB"),
    ("indexed", "Class indices (paletted or grey)"),
    ("rgb", "RGB colours"),
]

PALETTES = [
    ("dataset", "The dataset's"),
    ("voc", "PASCAL VOC's"),
    ("even", "Evenly spaced, for any number of classes"),
    ("file", "From a file"),
]
BACKGROUNDS = [
    ("auto", "Background if its name says so"),
    ("yes", "Background, not painted"),
    ("no", "A class like any other"),
]


def choices(pairs):
    """Turn pairs (value, title) into select choices as the installed WTForms expects them."""
    kind = getattr(wtforms, "SelectChoice", None)  # WTForms 3.3 and later
    return [kind(*pair) for pair in pairs] if kind else list(pairs)


def _stripped(value):
    return to_text(value).strip() if value else ""


def _text(label, default, tooltip):
    return _fields.StringField(label, default=default, filters=[_stripped], tooltip=tooltip)


def _checked(work, *arguments):
    """Return `work(*arguments)`; its FcnError becomes a message at the form field."""
    try:
        return work(*arguments)
    except FcnError as error:
        raise validators.ValidationError(error.words)


class ConfigForm(_Form):
    """Options of the visualization. DIGITS passes the values to Visualization(dataset, ...)."""

    palette = _fields.SelectField(
        "Palette",
        choices=choices(PALETTES),
        default="dataset",
        tooltip="Colours of the classes. A dataset without a palette is shown in PASCAL VOC's.",
    )
    palette_file = _text(
        "Palette file",
        "",
        "Path on the server: a paletted PNG, or a text file with red green blue on each line.",
    )
    background = _fields.SelectField(
        "Class 0",
        choices=choices(BACKGROUNDS),
        default="auto",
        tooltip="The background is left unpainted and can be darkened by the Mask control.",
    )
    truth_folder = _text(
        "Ground truth folder",
        "",
        "Optional path on the server: label images named like the samples, or in their order. "
        "Without it, labels of the dataset are used where the tested image is found in it.",
    )

    def validate_palette_file(self, field):
        if self.palette.data == "file":
            if not field.data:
                raise validators.ValidationError("Enter a palette file or choose another palette.")
            _checked(palette.read, field.data)


class DatasetForm(_Form):
    """Options of a new dataset. DIGITS passes the values to DataIngestion(...)."""

    source = _text(
        "Folder or archive",
        "",
        "Path on the server of a dataset in the PASCAL VOC layout: a folder, tar or zip.",
    )
    folder_inside = _text(
        "Folder inside",
        "",
        "Only if the folder or archive holds several datasets: which one, such as VOC2012.",
    )
    train_set = _text("Training image set", "train", "Name of a list in ImageSets/Segmentation.")
    val_set = _text("Validation image set", "val", "Name of a list in ImageSets/Segmentation.")
    sbd = _text(
        "SBD folder or archive",
        "",
        "Optional: the Semantic Boundaries Dataset. Its images are added to the training set, "
        "except those of the validation set.",
    )
    label_kind = _fields.SelectField(
        "Labels",
        choices=choices(LABEL_KINDS),
        default="auto",
        tooltip="How the label images encode their classes.",
    )
    colour_map_file = _text(
        "Colour map file",
        "",
        "For RGB labels: red green blue on each line, the first line for class 0; the name of the "
        "class may follow. Without it, PASCAL VOC colours are expected.",
    )
    class_names_file = _text(
        "Class names file",
        "",
        "Optional: one name per line, the first for class 0. Without it: classes.txt of the "
        "dataset, names of the colour map, or the 21 of PASCAL VOC.",
    )

    def validate_source(self, field):
        if not field.data:
            raise validators.ValidationError("Enter the path of a folder or archive on the server.")
        self.found = _checked(Voc, field.data, self.folder_inside.data)

    def validate_train_set(self, field):
        self._check_set(field)

    def validate_val_set(self, field):
        self._check_set(field)

    def validate_sbd(self, field):
        if field.data:
            _checked(_checked(Sbd, field.data).names)

    def validate_colour_map_file(self, field):
        if field.data:
            text = _checked(_text_of, field.data)
            _checked(palette.parse_text, text, field.data)

    def validate_class_names_file(self, field):
        if field.data:
            _checked(names.parse, _checked(_text_of, field.data), field.data)

    def _check_set(self, field):
        found = getattr(self, "found", None)
        if found is not None:
            _checked(found.names, field.data)


class InferenceForm(_Form):
    """Which validation images `Test` runs on with this extension."""

    pick = _fields.SelectMultipleField(
        "Validation images",
        choices=[],
        coerce=to_text,
        tooltip="Images of the validation set to test. If none is picked: the first ones.",
    )
    pick_count = _fields.IntegerField(
        "How many, if none is picked",
        validators=[validators.NumberRange(min=1, max=1000)],
        default=10,
        tooltip="This many images from the start of the validation set, at most 1000.",
    )


def _text_of(path):
    try:
        return read_text(path)
    except (IOError, OSError) as error:
        raise FcnError("The file cannot be read (%s). Enter a path on the server." % error.strerror)
