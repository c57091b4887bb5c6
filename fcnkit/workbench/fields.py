"""Form fields of the workbench: files by upload or by place on the server, and bounded numbers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import flask
import flask_wtf
import werkzeug.utils
import wtforms
from werkzeug.datastructures import MultiDict
from wtforms import validators

from caffeformat import InputError, brief, listed

from .bench import bench

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from werkzeug.datastructures import FileStorage

    from fcnkit.jobs import Job


_NO_FILE = "expected a file, found text: upload it, with @FILE in curl"
_NO_TEXT = "expected text, found a file: send what it holds, with '<FILE' in place of @FILE in curl"


class BenchForm(flask_wtf.FlaskForm):
    """A form of the workbench. `app` checks the token of every request, so forms carry none."""

    _misplaced: Mapping[str, str] = {}  # field -> what is wrong with what was sent for it

    class Meta(flask_wtf.FlaskForm.Meta):
        csrf = False

        def wrap_formdata(self, form: BenchForm, formdata: Any) -> Any:
            """Return what was sent, without files for texts and texts for files."""
            sent = super().wrap_formdata(form, formdata)
            if sent is None:
                return None
            kept: MultiDict[str, Any] = MultiDict()
            form._misplaced = {}
            for name, values in sent.lists():
                takes_files = name in form and isinstance(form[name], wtforms.FileField)
                wrong = [each for each in values if isinstance(each, str) == takes_files]
                kept.setlist(name, [each for each in values if each not in wrong])
                if name in form and any(each if takes_files else each.filename for each in wrong):
                    form._misplaced[name] = _NO_FILE if takes_files else _NO_TEXT
            return kept

    def validate(self, *args: Any, **kwargs: Any) -> bool:
        """Look at each field; those that got a file for a text say only that."""
        super().validate(*args, **kwargs)
        for name, words in self._misplaced.items():
            self[name].errors = [words]
        return not self.is_refused

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


class _Select(wtforms.SelectField):
    """One of several, whose error says which there are."""

    def pre_validate(self, form: wtforms.Form) -> None:
        """Refuse what is none of the choices."""
        try:
            super().pre_validate(form)
        except validators.ValidationError:
            known = listed((str(value) for value, *_ in self.iter_choices() if value), 12)
            words = f"Not a valid choice: {brief(str(self.data))}; "
            words += f"expected {known}" if known else "there is none yet"
            raise validators.ValidationError(words) from None


def select(
    label: str,
    pairs: Sequence[tuple[str, str]],
    default: str = "",
    hint: str = "",
    **settings: Any,
) -> wtforms.SelectField:
    """One of several."""
    return _Select(
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


def remind_of_uploads(job: Job) -> None:
    """Say which files a form that is filled like that of `job` lacks: uploads are not filled in."""
    try:
        names = sorted(os.listdir(bench().jobs.path(job.id, "uploads")))
    except OSError:
        return
    # Those of a model that began with another one's weights are named in the form.
    if names and job.settings.get("method") != "previous":
        flask.flash(f"Upload again what {job.name} was made of: {listed(names, 5)}.")


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
