"""Stands in for `digits.extensions.view.interface`, with DIGITS' defaults."""


class VisualizationInterface:
    """Base of visualizations: what DIGITS calls, in the order in which it does."""

    @staticmethod
    def get_id():
        """The id in addresses and forms, unique among visualizations."""
        raise NotImplementedError

    @staticmethod
    def get_title():
        """The name in the menu."""
        raise NotImplementedError

    @staticmethod
    def get_dirname():
        """The folder that holds `static`."""
        raise NotImplementedError

    @staticmethod
    def get_default_visibility():
        """Whether the menu has it without being asked for all."""
        return True

    @staticmethod
    def get_config_form():
        """The Flask-WTF form of its options."""
        raise NotImplementedError

    @staticmethod
    def get_config_template(form):
        """(Jinja template, context) that shows the form."""
        raise NotImplementedError

    def __init__(self, **kwargs):
        pass

    def process_data(self, input_id, input_data, inference_data, ground_truth=None):
        """Anything that `get_view_template` wants; called once a sample."""
        raise NotImplementedError

    def get_view_template(self, data):
        """(Jinja template, context) of one sample."""
        raise NotImplementedError

    def get_header_template(self):
        """(Jinja template or None, context) on top of the page, asked for after all samples."""
        return None, None

    def get_ng_templates(self):
        """(header, footer): HTML around the samples, or (None, None)."""
        return None, None
