"""Stands in for `digits.extensions.data.interface`, with DIGITS' defaults."""


class DataIngestionInterface:
    """Base of data extensions: keeps the form's values in `userdata` and as attributes."""

    def __init__(self, is_inference_db=False, **kwargs):
        self.userdata = kwargs
        for name, value in kwargs.items():
            setattr(self, name, value)

    @staticmethod
    def get_category():
        """The menu that it is in."""
        raise NotImplementedError

    @staticmethod
    def get_id():
        """The id in addresses and forms, unique among data extensions."""
        raise NotImplementedError

    @staticmethod
    def get_title():
        """The name in the menu."""
        raise NotImplementedError

    @staticmethod
    def get_default_visibility():
        """Whether the menu has it without being asked for all."""
        return True

    @staticmethod
    def get_dataset_form():
        """The Flask-WTF form of a new dataset."""
        raise NotImplementedError

    @staticmethod
    def get_dataset_template(form):
        """(Jinja template, context) that shows the form."""
        raise NotImplementedError

    def get_inference_form(self):
        """The Flask-WTF form that says what to test, or None."""
        return None

    @staticmethod
    def get_inference_template(form):
        """(Jinja template, context) that shows that form."""
        return None, None

    def itemize_entries(self, stage):
        """The entries of a stage, a list of anything."""
        raise NotImplementedError

    def encode_entry(self, entry):
        """(feature, label): C x H x W uint8 arrays of an entry."""
        raise NotImplementedError

    def get_user_data(self):
        """What is kept of the dataset, a dict."""
        return self.userdata
