"""A visualization extension carried through one page of samples, as DIGITS does it."""

import collections
import inspect

import flask

from .extensions import calling

Page = collections.namedtuple("Page", "views header begin end")
Page.__doc__ = """Finished HTML of a page: one `views` text a sample, the `header` (or None), and
`begin` and `end` around the samples (or None), which hold the AngularJS application."""


def config_html(extension):
    """The options of a visualization as HTML; sent ones are filled in, with what is wrong."""
    with calling(extension, "showing its options"):
        form = extension.get_config_form()
        form.validate_on_submit()  # finds the errors to show; does nothing where nothing was sent
        template, context = extension.get_config_template(form)
        return flask.render_template_string(template, **context)


def validated_options(extension):
    """(values of the options in the current request, errors by the field's label, or None).

    DIGITS has no CSRF token in an extension's form, so none is handed on; the page's own form is
    checked for it.
    """
    with calling(extension, "reading its options"):
        form = extension.get_config_form()
        if form.validate_on_submit():
            return without_token(form.data), None
        return None, errors_of(form)


def without_token(values):
    """A form's values without the CSRF token, which DIGITS' forms do not have."""
    return {name: value for name, value in values.items() if name != "csrf_token"}


def errors_of(form):
    """A form's errors by the text of their field's label."""
    return {form[name].label.text: words for name, words in form.errors.items() if name in form}


def render(extension, dataset, options, samples):
    """The `Page` of `samples`, pairs (id, `samples.Sample`), which may come one by one."""
    with calling(extension, "starting a page"):
        instance = extension(dataset, **options)
        # DIGITS itself hands on no ground truth, so most extensions do not take it.
        takes_truth = "ground_truth" in inspect.signature(instance.process_data).parameters
    views = []
    for sample_id, sample in samples:
        with calling(extension, f"showing {sample_id}"):
            more = {"ground_truth": sample.label} if takes_truth else {}
            data = instance.process_data(sample_id, sample.image, dict(sample.outputs), **more)
            template, context = instance.get_view_template(data)
            views.append(flask.render_template_string(template, **context))
    with calling(extension, "ending a page"):
        template, context = instance.get_header_template()
        header = flask.render_template_string(template, **(context or {})) if template else None
        begin, end = instance.get_ng_templates()
    return Page(views, header, begin, end)
