"""Calls the extensions as DIGITS does, step by step and in the same order.

The steps follow DIGITS 6: the dataset form (`create`), the database process of each stage, the
inference form, and the pages `Test One` and `Test Many`, rendered by Flask with the blocks in the
places that DIGITS' own page templates give them.
"""

from __future__ import absolute_import, division, unicode_literals

import pickle
import threading

import digits_case  # noqa: F401  (sets the path)
import flask
import numpy as np
from digits_fcn.data import DataIngestion
from digits_fcn.view import Visualization

PAGE = """<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>{{ title }}</title>
{% for style in styles %}<style>{{ style|safe }}</style>{% endfor %}
{% for script in scripts %}<script>{{ script|safe }}</script>{% endfor %}
</head><body><div class="container">
<div class="page-header"><h1>{{ title }} <small>Image Model</small></h1></div>
{% if header_html %}<div class="row">{{ header_html|safe }}</div>{% endif %}
{% if app_begin_html %}{{ app_begin_html|safe }}{% endif %}
{% if views|length == 1 %}
<div class="row"><h3>Inference visualization</h3>{{ views[0]|safe }}</div>
{% else %}
<div class="row"><h3>Visualizations</h3><table class="table">
{% for view in views %}<tr><td>{{ loop.index }}</td><td>{{ view|safe }}</td></tr>{% endfor %}
</table></div>
{% endif %}
{% if app_end_html %}{{ app_end_html|safe }}{% endif %}
</div></body></html>"""


class Dataset(object):
    """A dataset job of DIGITS as extensions see it."""

    def __init__(self, userdata=None):
        if userdata is not None:
            self.extension_userdata = userdata


def app():
    """Return a Flask application configured for forms as in DIGITS."""
    application = flask.Flask(__name__)
    application.config.update(SECRET_KEY="tests", WTF_CSRF_ENABLED=False, TESTING=True)
    return application


def create_dataset(form_data):
    """Post the page `New Dataset`: (Dataset or None, form errors, HTML of the form)."""
    with app().test_request_context("/", method="POST", data=form_data):
        form = DataIngestion.get_dataset_form()
        valid = form.validate_on_submit()
        template, context = DataIngestion.get_dataset_template(form)
        html = flask.render_template_string(template, **context)
        if not valid:
            return None, form.errors, html
        extension = DataIngestion(**form.data)
        return Dataset(persisted(extension.get_user_data())), {}, html


def persisted(userdata):
    """Return user data after the job was saved and loaded (DIGITS pickles its own jobs)."""
    return pickle.loads(pickle.dumps(userdata, 2))


def create_db(dataset, stage, threads=3):
    """Act as the process that writes one stage: list of (feature, label), in its own order."""
    extension = DataIngestion(**dataset.extension_userdata)
    entries = list(extension.itemize_entries(stage))
    out, errors, lock = [], [], threading.Lock()

    def work(mine):
        try:
            for entry in mine:
                pair = extension.encode_entry(entry)
                with lock:
                    out.append(pair)
        except Exception as error:
            errors.append(error)

    workers = [threading.Thread(target=work, args=(entries[i::threads],)) for i in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if errors:
        raise errors[0]
    return out


def inference_form(dataset):
    """Return the HTML of the inference form on the model's page, "" for DIGITS' own."""
    with app().test_request_context("/"):
        dataset.extension_userdata.update({"is_inference_db": True})
        extension = DataIngestion(**dataset.extension_userdata)
        form = extension.get_inference_form()
        if not form:
            return ""
        template, context = extension.get_inference_template(form)
        return flask.render_template_string(template, **context)


def create_inference_db(dataset, form_data):
    """Post the inference form: (database of TEST_DB, form errors)."""
    with app().test_request_context("/", method="POST", data=form_data):
        dataset.extension_userdata.update({"is_inference_db": True})
        extension = DataIngestion(**dataset.extension_userdata)
        form = extension.get_inference_form()
        if not form.validate_on_submit():
            return None, form.errors
        extension.userdata.update(form.data)
        job = Dataset(persisted(extension.get_user_data()))
    return create_db(job, "test_db", threads=1), {}


def test_page(
    dataset, inputs, outputs, form_data=None, styles=(), scripts=(), title="FCN", path="/"
):
    """`Test One` (one input) or `Test Many`: HTML of the page.

    inputs: list of (id, image); outputs: dict of blob name -> N x C x H x W array or list; path:
    the route, such as /models/images/generic/infer_one.
    """
    with app().test_request_context(path, method="POST", data=form_data or {"palette": "dataset"}):
        if "image_list" in flask.request.files:
            flask.request.files["image_list"].readlines()  # DIGITS has read it before
        form = Visualization.get_config_form()
        if not form.validate_on_submit():
            raise ValueError("Extension form validation failed with %s" % repr(form.errors))
        extension = Visualization(dataset, **form.data)
        views = []
        for i, (input_id, image) in enumerate(inputs):
            output = {name: np.asarray(outputs[name][i]) for name in outputs}
            data = extension.process_data(input_id, image, output)
            template, context = extension.get_view_template(data)
            views.append(flask.render_template_string(template, **context))
        template, context = extension.get_header_template()
        header = flask.render_template_string(template, **context) if template else None
        begin, end = extension.get_ng_templates()
        return flask.render_template_string(
            PAGE,
            title=title,
            styles=styles,
            scripts=scripts,
            views=views,
            header_html=header,
            app_begin_html=begin,
            app_end_html=end,
        )


# Without this, pytest would collect it because of its name.
test_page.__test__ = False
