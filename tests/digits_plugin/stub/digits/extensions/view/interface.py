"""DIGITS 6's base class of visualizations, as far as extensions can tell."""

from __future__ import absolute_import, division, unicode_literals


class VisualizationInterface(object):
    """What DIGITS calls, with DIGITS' own defaults."""

    def __init__(self, **kwargs):
        pass

    @staticmethod
    def get_config_form():
        raise NotImplementedError

    @staticmethod
    def get_config_template(form):
        raise NotImplementedError

    @staticmethod
    def get_default_visibility():
        return True

    def get_header_template(self):
        return None, None

    def get_ng_templates(self):
        return None, None

    @staticmethod
    def get_id():
        raise NotImplementedError

    @staticmethod
    def get_title():
        raise NotImplementedError

    @staticmethod
    def get_dirname():
        raise NotImplementedError

    def get_view_template(self, data):
        raise NotImplementedError

    def process_data(self, input_id, input_data, inference_data, ground_truth=None):
        raise NotImplementedError
