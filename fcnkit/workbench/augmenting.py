"""Augmentation in the form of a new model: fields that become the values of `--augment`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import wtforms

from caffeformat import InputError
from fcnkit.datasets import (
    AUGMENTATION_SETS,
    USUAL_AUGMENTATION,
    Augmentation,
    augmentation_texts,
    parse_augmentation,
)

from .fields import BenchForm, select, text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeVar

    F = TypeVar("F", bound=BenchForm)

CHOICE, USUAL, OWN = "augment", "usual", "own"
_TITLES = {
    USUAL: "The usual",
    OWN: "Only what is filled in",
    "gluoncv": "GluonCV's",
    "blog": "The blog's",
    "mindspore": "MindSpore's",
    "berkeley": "Berkeley's: whole images",
}
_YES, _NO = ("y", "yes", "true", "on", "1"), ("n", "no", "false", "off", "0")


class _Shown(NamedTuple):
    """How an option of `--augment` is shown: its name, a hint, and its choices where it has any."""

    title: str
    hint: str
    choices: tuple[str, ...] = ()


# Field of the form -> (option of --augment, how it is shown)
_FIELDS: Mapping[str, tuple[str, _Shown]] = {
    "crop_size": ("crop", _Shown("Crop", "Side in pixels, or HEIGHTxWIDTH.")),
    "augment_scale": ("scale", _Shown("Scale", "LOW:HIGH, such as 0.75:1.5.")),
    "augment_base": ("base", _Shown("Base", "Pixels of the longer side at scale 1.")),
    "augment_draw": (
        "draw", _Shown("Scale is drawn", "Evenly, or evenly in its logarithm.", ("uniform", "log"))
    ),
    "augment_pad": (
        "pad", _Shown("Small images lie", "In a larger crop.", ("corner", "random"))
    ),
    "augment_interpolation": (
        "interpolation", _Shown("Interpolation", "Of images.", ("linear", "cubic"))
    ),
    "augment_flip": ("flip", _Shown("Mirror", "Half of the images.", ("yes", "no"))),
    "augment_rotate": ("rotate", _Shown("Angle", "The most, in degrees either way.")),
    "augment_blur": ("blur", _Shown("Blur", "CHANCE:RADIUS, such as 0.5:1.")),
    "augment_brightness": ("brightness", _Shown("Brightness", "0.2: factors of 0.8 to 1.2.")),
    "augment_contrast": ("contrast", _Shown("Contrast", "Likewise.")),
    "augment_saturation": ("saturation", _Shown("Saturation", "Likewise; colour images.")),
    "augment_hue": ("hue", _Shown("Hue", "The most, in turns of the circle: 0 to 0.5.")),
}  # fmt: skip
NAMES = tuple(_FIELDS)


def _choice() -> wtforms.SelectField:
    """The field that chooses an augmentation by name."""
    known = [(name, _TITLES.get(name, name)) for name in (USUAL, OWN, *AUGMENTATION_SETS)]
    return select(
        "Augmentation",
        [("", "None"), *known],
        hint="A tutorial's by its name; what is filled in below changes it.",
        filters=[_chosen],
    )


def _field(name: str) -> wtforms.Field:
    """The field `name` of one option; empty, it leaves the option to what was chosen by name."""
    _, shown = _FIELDS[name]
    if shown.choices:
        pairs = [("", "As chosen above"), *((word, word.capitalize()) for word in shown.choices)]
        return select(shown.title, pairs, hint=shown.hint, filters=[_written])
    return text(shown.title, hint=shown.hint, filters=[_written])


def check(form: BenchForm) -> None:
    """Show at the fields of `form` what is wrong with its augmentation."""
    if not form[CHOICE].errors:
        for name, words in _faults(form.values()).items():
            if not form[name].errors:
                form.refuse(name, words)


def texts(values: Mapping[str, Any]) -> list[str] | None:
    """Return the values of `--augment` that a form's `values` stand for; None: no augmentation.

    Without an augmentation, a crop is one; the other options are not looked at.
    """
    chosen = str(values.get(CHOICE) or "")
    names = NAMES if chosen else ("crop_size",)
    given = {_FIELDS[name][0]: str(values[name]) for name in names if values.get(name)}
    if not chosen and not given:
        return None
    begin = [chosen] if chosen in AUGMENTATION_SETS else []
    if chosen == USUAL:
        usual = {key: value for key, value in USUAL_AUGMENTATION.items() if key not in given}
        begin = augmentation_texts(usual)
    return begin + [f"{key}={value}" for key, value in given.items()]


def _faults(values: Mapping[str, Any]) -> dict[str, str]:
    """Return {field: what is wrong with it}."""
    found = {}
    chosen = str(values.get(CHOICE) or "")
    for name in NAMES if chosen else ("crop_size",):
        if values.get(name):
            words = _fault([f"{_FIELDS[name][0]}={values[name]}"])
            if words:
                found[name] = words
    if not found:
        given = texts(values)
        words = "fill in what is to be drawn" if given == [] else _fault(given or [])
        if words:
            found[CHOICE] = words
    return found


def options(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of SegmentationData that a form's `values` stand for."""
    given = texts(values)
    return {} if given is None else parse_augmentation(given)


def of_sets() -> dict[str, dict[str, str]]:
    """Return {name: {field: its value}} of what can be chosen by name, for the page to show."""
    fields = {key: name for name, (key, _) in _FIELDS.items()}
    neutral = {
        key: getattr(Augmentation(), key) for key, shown in _FIELDS.values() if shown.choices
    }
    found: dict[str, dict[str, str]] = {}
    for name, chosen in {OWN: {}, USUAL: USUAL_AUGMENTATION, **AUGMENTATION_SETS}.items():
        parts = (each.partition("=") for each in augmentation_texts({**neutral, **chosen}))
        found[name] = {fields[key]: value for key, _, value in parts if key in fields}
    return found


def _fault(given: list[str]) -> str | None:
    try:
        parse_augmentation(given)
    except InputError as error:
        # The field stands beside these words: they need not name it.
        return error.text.replace("{augment}: ", "")
    return None


def _chosen(value: Any) -> str:
    """Return a name; a plain yes, as scripts and older jobs have it, is the usual augmentation."""
    word = str("" if value is None else value).strip()
    if word.lower() in _YES:
        return USUAL
    return "" if word.lower() in (*_NO, "none") else word


def _written(value: Any) -> str:
    """Return a value as it is written in `--augment`; yes and no in any spelling."""
    word = str("" if value is None else value).strip()
    if isinstance(value, bool) or word.lower() in ("y", "true", "on", "n", "false", "off"):
        return "yes" if word.lower() in _YES else "no"
    return word


def with_fields(form: type[F]) -> type[F]:
    """Add the fields of augmentation to the class of a form."""
    setattr(form, CHOICE, _choice())
    for name in NAMES:
        setattr(form, name, _field(name))
    return form


@with_fields
class SampleForm(BenchForm):
    """The fields of augmentation alone, for samples."""
