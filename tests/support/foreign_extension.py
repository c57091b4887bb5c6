"""A visualization and a data extension as DIGITS users wrote them: old Flask, DIGITS' helpers.

Every call is noted in `CALLS` as (method, what came), so that tests see what a host asks for.
"""

import digits
import numpy as np
from digits import utils
from digits.extensions.data.interface import DataIngestionInterface
from digits.extensions.view.interface import VisualizationInterface
from digits.utils import constants, override, subclass
from digits.utils.constants import COLOR_PALETTE_ATTRIBUTE
from flask.ext.wtf import Form
from wtforms import validators

CALLS = []


def note(name, *values):
    CALLS.append((name, *values))


@subclass
class ConfigForm(Form):
    channel = utils.forms.SelectField(
        "Channel", choices=[("0", "First"), ("1", "Second")], default="0", tooltip='Which "one"'
    )
    gain = utils.forms.IntegerField(
        "Gain", validators=[validators.NumberRange(min=1)], default=3, tooltip="Multiplies"
    )


@subclass
class Visualization(VisualizationInterface):
    def __init__(self, dataset, **kwargs):
        note("__init__", dataset.extension_userdata, dataset.get_feature_dims(), kwargs)
        self.options, self.seen = kwargs, 0

    @staticmethod
    def get_id():
        return "foreign"

    @staticmethod
    def get_title():
        return "Foreign"

    @staticmethod
    def get_config_form():
        note("get_config_form")
        return ConfigForm()

    @staticmethod
    def get_config_template(form):
        note("get_config_template")
        template = """
{% from "helper.html" import print_flashes %}
{% from "helper.html" import print_errors %}
{% from "helper.html" import mark_errors %}
{{ print_flashes() }}{{ print_errors(form) }}
<div class="form-group{{ mark_errors([form.channel]) }}">
    {{ form.channel.label }} {{ form.channel.tooltip }} {{ form.channel(class="form-control") }}
</div>
{{ form.gain.label }} {{ form.gain.tooltip }} {{ form.gain(class="form-control") }}"""
        return template, {"form": form}

    @override
    def process_data(self, input_id, input_data, output_data):
        note("process_data", input_id, input_data, output_data)
        self.seen += 1
        plane = output_data[sorted(output_data)[0]][int(self.options["channel"])]
        low = plane.min()
        plane = (plane - low) * 255 / ((plane.max() - low) or 1)
        return digits.utils.image.embed_image_html(plane.astype("uint8"))

    @override
    def get_view_template(self, data):
        note("get_view_template", data)
        return '<img class="foreign" src="{{ picture }}">', {"picture": data}

    @override
    def get_header_template(self):
        note("get_header_template")
        return "<p>{{ seen }} seen, {{ note }}</p>", {"seen": self.seen, "note": "a < b"}

    @override
    def get_ng_templates(self):
        note("get_ng_templates")
        return '<div class="foreign-app">', "</div>"


@subclass
class DatasetForm(Form):
    count = utils.forms.IntegerField("Count", validators=[validators.NumberRange(min=1)])


@subclass
class InferenceForm(Form):
    which = utils.forms.SelectField("Which", choices=[("0", "first"), ("1", "second")])


@subclass
class DataIngestion(DataIngestionInterface):
    def __init__(self, is_inference_db=False, **kwargs):
        note("data.__init__", is_inference_db, dict(kwargs))
        super().__init__(**kwargs)
        self.userdata["is_inference_db"] = is_inference_db
        self.userdata["class_labels"] = ["dark", "red", "green"]
        self.userdata[COLOR_PALETTE_ATTRIBUTE] = [0, 0, 0, 255, 0, 0, 0, 255, 0] + [0] * 759

    @staticmethod
    def get_category():
        note("get_category")
        return "Images"

    @staticmethod
    def get_id():
        return "foreign-data"

    @staticmethod
    def get_title():
        return "Foreign data"

    @staticmethod
    def get_dataset_form():
        note("get_dataset_form")
        return DatasetForm()

    @staticmethod
    def get_dataset_template(form):
        note("get_dataset_template")
        return "{{ form.count.label }}{{ form.count }}{{ form.count.errors }}", {"form": form}

    @override
    def get_inference_form(self):
        note("get_inference_form", self.userdata["is_inference_db"])
        return InferenceForm()

    @staticmethod
    def get_inference_template(form):
        note("get_inference_template")
        return "{{ form.which.label }}{{ form.which }}", {"form": form}

    @override
    def itemize_entries(self, stage):
        note("itemize_entries", stage)
        if self.userdata["is_inference_db"]:
            return [int(self.userdata["which"])] if stage == constants.TEST_DB else []
        return {constants.TRAIN_DB: list(range(self.count)), constants.VAL_DB: [0]}.get(stage, [])

    @override
    def encode_entry(self, entry):
        note("encode_entry", entry)
        image = np.zeros((3, 24, 32), np.uint8)
        image[entry % 3, 4:20, 4:20] = 200
        label = np.zeros((1, 24, 32), np.uint8)
        label[:, 4:20, 4:20] = 1
        return image, label

    @override
    def get_user_data(self):
        note("get_user_data")
        return self.userdata
