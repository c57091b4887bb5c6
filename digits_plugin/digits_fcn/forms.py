"""The forms on DIGITS' pages: mistakes are found where the page can show them, at the field."""

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
    ("even", "Evenly spread, for any number of classes"),
    ("file", "From a file"),
]
BACKGROUNDS = [
    ("auto", "Background if its name says so"),
    ("yes", "Background, not painted"),
    ("no", "A class like the others"),
]


def choices(pairs):
    """Choices of a select field: pairs (value, title), in the form that this WTForms wants."""
    kind = getattr(wtforms, "SelectChoice", None)  # WTForms 3.3 and later
    return [kind(*pair) for pair in pairs] if kind else list(pairs)


def _stripped(value):
    return to_text(value).strip() if value else ""


def _text(label, default, tooltip):
    return _fields.StringField(label, default=default, filters=[_stripped], tooltip=tooltip)


def _said(work, *arguments):
    """`work(*arguments)`, its FcnError turned into words at the form field."""
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
                raise validators.ValidationError("Give the palette file or choose another palette.")
            _said(palette.read, field.data)


class DatasetForm(_Form):
    """Options of a new dataset. DIGITS passes the values to DataIngestion(...)."""

    source = _text(
        "Folder or archive",
        "",
        "Path on the server of a data set in the PASCAL VOC layout: a folder, tar or zip.",
    )
    folder_inside = _text(
        "Folder inside",
        "",
        "Only where the folder or archive holds several data sets: which one, such as VOC2012.",
    )
    train_set = _text("Training image set", "train", "Name of a list in ImageSets/Segmentation.")
    val_set = _text("Validation image set", "val", "Name of a list in ImageSets/Segmentation.")
    sbd = _text(
        "SBD folder or archive",
        "",
        "Optional: the Semantic Boundaries Dataset. Its images join the training set, except those "
        "of the validation set.",
    )
    label_kind = _fields.SelectField(
        "Labels",
        choices=choices(LABEL_KINDS),
        default="auto",
        tooltip="How the label images hold their classes.",
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
        "Optional: a name a line, the first for class 0. Without it, classes.txt of the data set, "
        "names of the colour map, or the 21 of PASCAL VOC.",
    )

    def validate_source(self, field):
        if not field.data:
            raise validators.ValidationError("Give the path of a folder or archive on the server.")
        self.found = _said(Voc, field.data, self.folder_inside.data)

    def validate_train_set(self, field):
        self._check_set(field)

    def validate_val_set(self, field):
        self._check_set(field)

    def validate_sbd(self, field):
        if field.data:
            _said(_said(Sbd, field.data).names)

    def validate_colour_map_file(self, field):
        if field.data:
            text = _said(_text_of, field.data)
            _said(palette.parse_text, text, field.data)

    def validate_class_names_file(self, field):
        if field.data:
            _said(names.parse, _said(_text_of, field.data), field.data)

    def _check_set(self, field):
        found = getattr(self, "found", None)
        if found is not None:
            _said(found.names, field.data)


class InferenceForm(_Form):
    """Which validation images `Test` with this extension runs on."""

    pick = _fields.SelectMultipleField(
        "Validation images",
        choices=[],
        coerce=to_text,
        tooltip="Images of the validation set to test. None picked: the first ones.",
    )
    pick_count = _fields.IntegerField(
        "How many, if none is picked",
        validators=[validators.NumberRange(min=1, max=1000)],
        default=10,
        tooltip="The first so many images of the validation set, at most 1000.",
    )


def _text_of(path):
    try:
        return read_text(path)
    except (IOError, OSError) as error:
        raise FcnError("The file cannot be read (%s). Give a path on the server." % error.strerror)
