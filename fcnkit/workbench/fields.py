"""Form fields of the workbench: files by upload or by place on the server, and bounded numbers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import flask_wtf
import werkzeug.utils
import wtforms
from wtforms import validators

from caffeformat import InputError

from .bench import bench

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from werkzeug.datastructures import FileStorage


class BenchForm(flask_wtf.FlaskForm):
    """A form of the workbench. `app` checks the token of every request, so forms carry none."""

    class Meta(flask_wtf.FlaskForm.Meta):
        csrf = False

    def refuse(self, name: str, error: InputError | str) -> None:
        """Show an error at the field `name`, in words for people."""
        text = error if isinstance(error, str) else error.for_command_line(_NO_OPTIONS)
        field = self[name]
        field.errors = [*field.errors, text]

    @property
    def is_refused(self) -> bool:
        """Whether any field has an error."""
        return any(field.errors for field in self)

    def as_errors(self) -> dict[str, list[str]]:
        """Return the errors by field, as DIGITS' API does."""
        return {field.name: list(field.errors) for field in self if field.errors}

    def values(self) -> dict[str, Any]:
        """Return what was entered, for a job's settings: texts, numbers and yes or no."""
        kinds = (str, int, float, bool, list, type(None))
        return {
            field.name: field.data
            for field in self
            if isinstance(field.data, kinds) and field.type not in ("FileField", "CSRFTokenField")
        }


_NO_OPTIONS: Mapping[str, str] = {}


def choices(pairs: Iterable[tuple[Any, str]]) -> list[Any]:
    """Turn (value, title) pairs into what the installed WTForms expects."""
    kind = getattr(wtforms, "SelectChoice", None)  # since 3.3
    return [kind(*pair) if kind else pair for pair in pairs]


def text(label: str, default: str = "", hint: str = "", **settings: Any) -> wtforms.StringField:
    """A line of text, stripped."""
    filters = [_stripped, *settings.pop("filters", ())]
    return wtforms.StringField(
        label, default=default, description=hint, filters=filters, **settings
    )


def place(label: str, hint: str = "", folders: bool = False) -> wtforms.StringField:
    """The path of a file or folder on the server."""
    shown = {"data-place": "folder" if folders else "any", "spellcheck": "false"}
    return text(label, hint=hint, render_kw=shown)


class _NotEmpty(validators.InputRequired):
    """Refuses a field that was sent empty."""

    def __call__(self, form: wtforms.Form, field: wtforms.Field) -> None:
        if field.raw_data:
            super().__call__(form, field)


def number(
    label: str,
    kind: type[int] | type[float],
    default: float | None,
    low: float,
    high: float,
    hint: str = "",
) -> wtforms.Field:
    """A number between `low` and `high`; empty where `default` is None and nothing is entered.

    Where the field is not sent, as those that a page hides, it has its default.
    """
    field = wtforms.IntegerField if kind is int else wtforms.FloatField
    checks: list[Any] = [validators.NumberRange(low, high)]
    checks.insert(0, validators.Optional() if default is None else _NotEmpty())
    step = "1" if kind is int else "any"
    return field(
        label,
        default=default,
        description=hint,
        validators=checks,
        render_kw={"min": str(low), "max": str(high), "step": step},
    )


def select(
    label: str,
    pairs: Sequence[tuple[str, str]],
    default: str = "",
    hint: str = "",
    **settings: Any,
) -> wtforms.SelectField:
    """One of several."""
    return wtforms.SelectField(
        label, choices=choices(pairs), default=default or pairs[0][0], description=hint, **settings
    )


def is_filled(field: wtforms.Field) -> bool:
    """Whether a field has an error, or another value than an empty form begins with."""
    value = field.data
    is_empty = value is False or value in (None, "", "None")
    return bool(field.errors) or not (is_empty or value == field.default)


def _stripped(value: Any) -> str:
    """Return a line without control characters, which no name and no path on a page has.

    A job's settings may hold a number where a later version asks for a text.
    """
    text = "" if value is None else str(value)
    return "".join(c for c in text if c.isprintable()).strip()


def saved_upload(upload: FileStorage | None, folder: str) -> str | None:
    """Save an uploaded file in `folder` under a harmless name; returns its path, or None."""
    if upload is None or not getattr(upload, "filename", ""):
        return None
    name = werkzeug.utils.secure_filename(upload.filename or "")[-100:].lstrip(".-") or "upload"
    path = free_path(folder, name)
    upload.save(path)
    return path


def free_path(folder: str, name: str) -> str:
    """Return a path in `folder`, which is made, for a file called `name` or, where taken, alike."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    number = 1
    while os.path.exists(path):
        number += 1
        path = os.path.join(folder, f"{number}_{name}")
    return path


def place_or_upload(form: BenchForm, name: str, upload: str, folder: str) -> str | None:
    """Return the path that the field `upload` or the field `name` names; None where neither does.

    An error is shown at the field.
    """
    found = saved_upload(form[upload].data, folder)
    if found or not form[name].data:
        return found
    return checked(form, name, lambda: bench().places.find(form[name].data))


def checked(form: BenchForm, name: str, work: Callable[[], str]) -> str | None:
    """Return `work()`, or None where it raises `InputError`, shown at the field `name`."""
    try:
        return work()
    except InputError as error:
        form.refuse(name, error)
        return None
