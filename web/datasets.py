"""Datasets as DIGITS hands them to extensions, and those that a data extension makes."""

import collections
import concurrent.futures
import os
import pickle

import flask
import numpy as np

from .extensions import calling, title_of

# Asked for as DIGITS does; a preview shows only the first of them.
STAGES = ("train_db", "val_db")
ENTRIES = 4

Entry = collections.namedtuple("Entry", "image label")
Entry.__doc__ = """An encoded entry: H x W x 3 uint8 RGB and H x W uint8 indices (or None)."""


class Dataset:
    """What an extension sees of a dataset job.

    `extension_userdata` is the dict that a data extension left, `extension_id` its id (None for a
    dataset of another origin), `shape` (height, width, channels) of its images. `folder`, if any,
    holds `<stage>/features` and `<stage>/labels`.
    """

    def __init__(self, name, userdata, extension_id=None, folder=None, shape=None):
        self._name, self.extension_userdata = name, userdata
        self.extension_id, self._folder, self._shape = extension_id, folder, shape

    def name(self):
        """The name on the pages."""
        return self._name

    def get_feature_dims(self):
        """(height, width, channels) of its images."""
        return self._shape

    def get_feature_db_path(self, stage):
        """The folder of the images' LMDB of a stage; `LookupError` where it has none."""
        return self._db_path(stage, "features")

    def get_label_db_path(self, stage):
        """The folder of the labels' LMDB of a stage; `LookupError` where it has none."""
        return self._db_path(stage, "labels")

    def _db_path(self, stage, kind):
        path = os.path.join(self._folder or "", stage, kind)
        if not self._folder or not os.path.isdir(path):
            raise LookupError(f"{self._name} has no database of {stage}")
        return path


def userdata_of(names, palette):
    """Class names (or None) and a palette (256 x 3 uint8, or None) where extensions look."""
    userdata = {}
    if names:
        userdata["class_labels"] = list(names)
    if palette is not None:
        userdata["color_palette"] = [int(value) for value in np.asarray(palette).ravel()]
    return userdata


def create(extension, form_data):
    """The `Dataset` that a data extension makes of the values of its form."""
    with calling(extension, "making a dataset"):
        userdata = kept(extension(**form_data).get_user_data())
    return Dataset(title_of(extension), userdata, extension.get_id())


def kept(userdata):
    """User data after DIGITS saved its job and loaded it: what cannot be pickled fails here too."""
    return pickle.loads(pickle.dumps(userdata, protocol=2))


def stage_entries(extension, dataset, stage, most=ENTRIES):
    """(number of entries, the first `most` as `Entry`s) of a stage.

    As in DIGITS the extension is made anew from its user data, and asked by several threads.
    """
    with calling(extension, f"reading {stage}"):
        instance = extension(**kept(dataset.extension_userdata))
        entries = list(instance.itemize_entries(stage))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            pairs = list(pool.map(instance.encode_entry, entries[:most]))
    return len(entries), [_entry(*pair) for pair in pairs]


def inference_form(extension, dataset):
    """(the extension's instance, its form or None) for choosing what to test."""
    userdata = dict(kept(dataset.extension_userdata), is_inference_db=True)
    with calling(extension, "making its inference form"):
        instance = extension(**userdata)
        return instance, instance.get_inference_form()


def inference_html(extension, form):
    """The inference form as HTML."""
    with calling(extension, "showing its inference form"):
        template, context = extension.get_inference_template(form)
        return flask.render_template_string(template, **context)


def inference_entries(extension, instance, form_data, most):
    """(number of entries, the first `most` as `Entry`s) that a filled inference form picks."""
    with calling(extension, "reading what its inference form picked"):
        instance.userdata.update(form_data)
        job = Dataset("", kept(instance.get_user_data()))
    return stage_entries(extension, job, "test_db", most)


def _entry(feature, label):
    feature, label = np.asarray(feature), np.asarray(label)
    image = np.repeat(feature, 3, axis=0) if len(feature) == 1 else feature[:3]
    indices = label[0].astype(np.uint8) if label.ndim == 3 and len(label) == 1 else None
    return Entry(np.ascontiguousarray(image.transpose(1, 2, 0)).astype(np.uint8), indices)
