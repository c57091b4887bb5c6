"""DIGITS 6's base class of data extensions, as far as extensions can tell."""

from __future__ import absolute_import, division, unicode_literals


class DataIngestionInterface(object):
    """Keeps the form's values; only `userdata` is persisted."""

    def __init__(self, is_inference_db=False, **kwargs):
        self.userdata = kwargs
        for name, value in self.userdata.items():
            setattr(self, name, value)

    def encode_entry(self, entry):
        raise NotImplementedError

    @staticmethod
    def get_category():
        raise NotImplementedError

    @staticmethod
    def get_dataset_form():
        raise NotImplementedError

    @staticmethod
    def get_dataset_template(form):
        raise NotImplementedError

    @staticmethod
    def get_id():
        raise NotImplementedError

    def get_inference_form(self):
        return None

    @staticmethod
    def get_inference_template(form):
        return None, None

    @staticmethod
    def get_title():
        raise NotImplementedError

    def get_user_data(self):
        return self.userdata

    def itemize_entries(self, stage):
        raise NotImplementedError
