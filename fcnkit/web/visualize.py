"""A page of samples shown by a visualization extension, in the steps that DIGITS takes."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

import flask

from .extensions import Calling

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .datasets import Dataset
    from .extensions import ViewExtension
    from .samples import Sample


class Page(NamedTuple):
    """The finished HTML of a page."""

    views: list[str]  # one per sample
    header: str | None
    begin: str | None  # before the samples: opens the AngularJS application
    end: str | None  # after the samples: closes it


def config_html(extension: ViewExtension) -> str:
    """Return a visualization's options as HTML; submitted values are kept, errors shown."""
    with Calling(extension, "showing its options"):
        form = extension.get_config_form()
        form.validate_on_submit()  # finds the errors to show; does nothing where nothing was sent
        template, context = extension.get_config_template(form)
        return flask.render_template_string(template, **context)


def validated_options(
    extension: ViewExtension,
) -> tuple[dict[str, Any], None] | tuple[None, dict[str, list[str]]]:
    """Return (option values from the current request, errors by field label): one is None.

    DIGITS' extension forms have no CSRF token, so none is passed on; the page's own form is checked
    for it.
    """
    with Calling(extension, "reading its options"):
        form = extension.get_config_form()
        # Extensions may accept what has errors: DIGITS asks after the network has run, we before.
        if form.validate_on_submit() and not form.errors:
            return without_token(form.data), None
        return None, errors_of(form)


def without_token(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a form's values without the CSRF token, which DIGITS' forms do not have."""
    return {name: value for name, value in values.items() if name != "csrf_token"}


def errors_of(form: Any) -> dict[str, list[str]]:
    """Return a form's errors by the label text of their field."""
    return {form[name].label.text: words for name, words in form.errors.items() if name in form}


def render(
    extension: ViewExtension,
    dataset: Dataset,
    options: Mapping[str, Any],
    samples: Iterable[tuple[str, Sample]],
) -> Page:
    """Return the `Page` of `samples`, pairs (id, sample), which may be a generator."""
    with Calling(extension, "starting a page"):
        instance = extension(dataset, **options)
        # DIGITS itself passes no ground truth, so most extensions do not accept it.
        takes_truth = "ground_truth" in inspect.signature(instance.process_data).parameters
    views = []
    for sample_id, sample in samples:
        with Calling(extension, f"showing {sample_id}"):
            more = {"ground_truth": sample.label} if takes_truth else {}
            data = instance.process_data(sample_id, sample.image, dict(sample.outputs), **more)
            template, context = instance.get_view_template(data)
            views.append(flask.render_template_string(template, **context))
    with Calling(extension, "ending a page"):
        header_template, header_context = instance.get_header_template()
        header = None
        if header_template:
            header = flask.render_template_string(header_template, **(header_context or {}))
        begin, end = instance.get_ng_templates()
    return Page(views, header, begin, end)
