"""Looks at every image and label of a new dataset before DIGITS starts the job.

In the job a fault ends hours of work, or minutes, with a line in a log. Here it stands at the field
of the form that can put it right. Labels are decoded, images only coarsely. What has not been
looked at after some time is left to the job, which makes the same checks.
"""

from __future__ import absolute_import, division, unicode_literals

import time

import numpy as np

from . import contract
from .classmap import IGNORE
from .data import DataIngestion
from .errors import FcnError
from .text import shorten
from .voc import size_words

SECONDS = 60.0
# DIGITS' field, which it takes to be "1" where it was not sent.
SAME_SHAPE = "dsopts_force_same_shape"

# One fault usually comes with hundreds of its kind.
MAX_FAULTS = 5

# Indices of few labels may have gaps, but hardly all be multiples of such a number or a larger one.
SHADE_STEP = 32


def problems(values, host=None):
    """Return what is wrong with a new dataset: list of (field name, sentence), at most a few.

    values: dict of the form's values, each valid by itself; host: DIGITS' own fields of the page,
    whose presets do not fit every dataset.
    """
    host = host or {}
    found = []
    if host.get("dsopts_label_encoding") == "jpg":
        found.append(
            (
                "source",
                "JPEG changes class indices at every border. Choose 'PNG (lossless)' as DIGITS' "
                "option 'Label Encoding'.",
            )
        )
    try:
        extension = DataIngestion(**values)
        entries = _entries(extension)
    except FcnError as error:
        return found + [(error.field or "source", error.words)]
    seen = _Seen(same_shape="dataset_name" in host and host.get(SAME_SHAPE, "1") == "1")
    end = time.time() + SECONDS
    for field, kind, name in entries:
        if len(found) >= MAX_FAULTS or time.time() > end:
            break
        # DIGITS serves all its pages from one thread and lets others in when one sleeps.
        time.sleep(0)
        try:
            size = extension.image_size(kind, name)
            seen.add(name, size, _label(extension, kind, name, size))
        except FcnError as error:
            found.append((error.field or field, error.words))
    return found or seen.problems(extension)


def _entries(extension):
    """Return (form field, dataset, name) of each entry, the small validation set first."""
    found = []
    for stage, field in ((contract.VAL_DB, "val_set"), (contract.TRAIN_DB, "train_set")):
        for kind, name in extension.itemize_entries(stage):
            found.append(("sbd" if kind == "sbd" else field, kind, name))
    return found


def _label(extension, kind, name, size):
    """Return the checked class indices of a label, None for one that is left to the job."""
    if kind == "voc":
        return extension.read_label(kind, name, size)
    # What SciPy does with a damaged file may end the process, and this one is DIGITS' server.
    extension.check_matlab(name)
    return None


def _divisor(values):
    """Return the greatest common divisor (NumPy has it since 1.15 only)."""
    found = 0
    for value in values:
        while value:
            found, value = value, found % value
    return found


class _Seen(object):
    """What the labels and images have in common."""

    def __init__(self, same_shape):
        self.same_shape = same_shape
        self.sizes = []
        self.labels = self.black_and_white = 0
        self.used = np.zeros(256, bool)

    def add(self, name, size, indices):
        if not any(size == other for other, _name in self.sizes):
            self.sizes.append((size, name))
        if indices is None:
            return
        used = np.bincount(indices.ravel(), minlength=256) > 0
        self.labels += 1
        self.black_and_white += bool(used[0] and used[IGNORE] and not used[1:IGNORE].any())
        self.used |= used

    def problems(self, extension):
        found = []
        if self.same_shape and len(self.sizes) > 1:
            (one, first), (two, second) = self.sizes[:2]
            words = (
                "Image '%s' is %s pixels and '%s' %s (width x height). Choose 'No' as DIGITS' "
                "option 'Enforce same shape', whose preset 'Yes' takes images of one size only."
            )
            words = words % (shorten(first), size_words(one), shorten(second), size_words(two))
            found.append(("source", words))
        userdata = extension.userdata
        if userdata["label_kind"] != "auto" or userdata["fcn_palette_from"] != "made":
            return found  # declared to be indices, or coloured
        if self.black_and_white * 2 >= max(1, self.labels):
            words = (
                "%d of %d labels hold only 0 and 255, and 255 is ignored, so that one class is "
                "left. If white is a class, enter the word binary here; if it is to be ignored, "
                "choose 'Class indices' as the kind of labels."
            )
            found.append(("colour_map_file", words % (self.black_and_white, self.labels)))
        values = np.flatnonzero(self.used[:IGNORE])
        named = userdata.get(contract.CLASS_LABELS_ATTRIBUTE)
        if not named and _divisor(values) >= SHADE_STEP:
            words = (
                "The labels hold the values %s, and class indices are 0, 1, 2 and so on. If these "
                "are shades that stand for classes, enter a colour map file that lists them; if "
                "not, choose 'Class indices' as the kind of labels."
            )
            found.append(("colour_map_file", words % ", ".join(map(str, values[:8].tolist()))))
        return found
