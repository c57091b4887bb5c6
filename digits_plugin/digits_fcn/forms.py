"""The forms on DIGITS' pages, which report mistakes at the field that has them."""

from __future__ import absolute_import, division, unicode_literals

import flask
import wtforms
from wtforms import validators

from . import checks, contract, names, palette
from .errors import FcnError
from .text import read_text, to_text
from .voc import Sbd, Voc, size_words

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


def _select(label, pairs, default, tooltip):
    return _fields.SelectField(label, choices=choices(pairs), default=default, tooltip=tooltip)


def _checked(work, *arguments):
    """Return `work(*arguments)`; its FcnError becomes a message at the form field."""
    try:
        return work(*arguments)
    except FcnError as error:
        raise validators.ValidationError(error.words)


class ConfigForm(_Form):
    """Options of the visualization. DIGITS passes the values to Visualization(dataset, ...)."""

    palette = _select(
        "Palette",
        PALETTES,
        "dataset",
        "Colours of the classes. A dataset without a palette is shown in PASCAL VOC's.",
    )
    palette_file = _text(
        "Palette file",
        "",
        "Path on the server: a paletted PNG, or a text file with red green blue on each line. "
        "If it cannot be read, the page says so and shows the default colours.",
    )
    background = _select(
        "Class 0",
        BACKGROUNDS,
        "auto",
        "The background is left unpainted and can be darkened by the Mask control.",
    )
    truth_folder = _text(
        "Ground truth folder",
        "",
        "Optional path on the server: label images named like the tested images. Without it, "
        "labels of the dataset are used where the tested image is found in it.",
    )

    def validate_palette_file(self, field):
        if self.palette.data == "file":
            if not field.data:
                raise validators.ValidationError("Enter a palette file or choose another palette.")
            _checked(palette.read, field.data)

    def validate(self, *args, **kwargs):
        """Find the errors, but accept what was sent: DIGITS asks when the network has run.

        A refusal would throw its answer away. The visualization says what is wrong with a choice, a
        palette or a folder, and goes on without it. A host that asks earlier can look at `errors`.
        """
        super(ConfigForm, self).validate(*args, **kwargs)
        return "csrf_token" not in self.errors


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
    label_kind = _select(
        "Labels",
        LABEL_KINDS,
        "auto",
        "How the label images encode their classes.",
    )
    colour_map_file = _text(
        "Colour map file",
        "",
        "Red green blue on each line, the first line for class 0; the name of the class may "
        "follow. Also a table of CVAT, Roboflow, CamVid or Supervisely, or the word binary: black "
        "is class 0 and white class 1. It holds for grey and paletted labels, too, unless they are "
        "class indices. Without it, RGB labels are expected in PASCAL VOC colours.",
    )
    class_names_file = _text(
        "Class names file",
        "",
        "Optional: one name per line, the first for class 0; the list ends at its first empty "
        "line. Without it: classes.txt of the dataset, names of the colour map, or the 21 of "
        "PASCAL VOC.",
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
            _checked(palette.colour_map, field.data)

    def validate_class_names_file(self, field):
        if field.data and field.data != "voc":
            _checked(names.parse, _checked(read_text, field.data), field.data)

    def _check_set(self, field):
        found = getattr(self, "found", None)
        if found is not None:
            _checked(found.names, field.data)

    def validate(self, *args, **kwargs):
        """Check each field, and then every image and label that the database will hold."""
        if not super(DatasetForm, self).validate(*args, **kwargs):
            return False
        for name, words in checks.problems(self.data, flask.request.form):
            field = self._fields[name]
            field.errors = list(field.errors) + [words]
        self._errors = None  # before WTForms 3 they were collected already
        return not self.errors


class InferenceForm(_Form):
    """Which validation images `Test` runs on with this extension.

    images: the DataIngestion that has them, set by the one who makes the form.
    """

    images = None

    pick = _fields.SelectMultipleField(
        "Validation images",
        choices=[],
        coerce=to_text,
        tooltip="Images of the validation set to test: one of any size, or several of the size of "
        "the network's input, which DIGITS tests together. If none is picked: the first one.",
    )
    pick_count = _fields.IntegerField(
        "How many, if none is picked",
        validators=[validators.NumberRange(min=1, max=1000)],
        default=1,
        tooltip="The first validation images that can be tested together, at most 1000.",
    )

    def validate_pick(self, field):
        if len(field.data or ()) < 2:
            return
        size = contract.network_size()
        whose = "the size of the network's input, %s" % size_words(size) if size else None
        for name in field.data:
            found = _checked(self.images.image_size, "voc", name)
            if size is None:
                size, whose = found, "one size, and '%s' is %s" % (name, size_words(found))
            if found != size:
                raise validators.ValidationError(
                    "DIGITS tests several images together, which have to be of %s (width x height "
                    "in pixels); '%s' is %s. Pick one image, or several of that size."
                    % (whose, name, size_words(found))
                )

    def validate_pick_count(self, field):
        if self.pick.data or field.errors:
            return
        names = _checked(self.images.first, field.data, contract.network_size())
        if len(names) < field.data:
            raise validators.ValidationError(
                "%d validation images are of the size that DIGITS can test together (that of the "
                "network's input, or else of the first image); expected at least %d. Enter a "
                "smaller number: one image may have any size." % (len(names), field.data)
            )
        # The database is made in another process, which knows nothing of the network.
        self.pick.data = names


def refused_inference_form():
    """Return what a dataset that our data extension did not make gets for an inference form.

    That is None for the page, which then shows DIGITS' own form, and a form that refuses whatever
    was sent with it: DIGITS' answer to None would be an error of its own.
    """
    if not (flask.has_request_context() and flask.request.method == "POST"):
        return None
    return RefusedForm()


class RefusedForm(_Form):
    """Is never valid."""

    def validate(self, *args, **kwargs):
        """Return False; `errors` says why."""
        return False

    @property
    def errors(self):
        """The reason, under the name of DIGITS' choice of inference forms."""
        return {
            "data_extension_id": [
                "The dataset of this model was not made by the VOC segmentation extension, so that "
                "there are no validation images to pick. Choose 'Default' as the inference form."
            ]
        }
