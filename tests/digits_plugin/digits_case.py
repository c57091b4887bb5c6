"""Helpers of digits_plugin's tests: paths, vectors, small datasets.

Plain `unittest`, so that the same files run under Python 2.7 without pytest
(`python2.7 -m unittest discover -s tests/digits_plugin -p "test_digits_*.py"`) and under pytest.
"""

from __future__ import absolute_import, division, unicode_literals

import io
import json
import os
import shutil
import sys
import tarfile
import tempfile
import unittest

import numpy as np
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PLUGIN = os.path.join(ROOT, "digits_plugin")
for path in (os.path.join(HERE, "stub"), PLUGIN):
    if path not in sys.path:
        sys.path.insert(0, path)

from digits_fcn import palette  # noqa: E402  (the path comes first)
from digits_fcn.errors import FcnError  # noqa: E402

# The data extension's form with its defaults.
VOC_FORM = {"train_set": "train", "val_set": "val", "label_kind": "auto"}

# Names that a careless page would run, or that would break its tags and scripts.
NASTY = [
    "<script>window.pwned=1</script>",
    "\"><img src=x onerror='window.pwned=1'>",
    "{{ 7*7 }}{% raw %}{[ constructor.constructor('window.pwned=1')() ]}",
    "</script><script>window.pwned=1</script>",
    "a" * 300,
    "\u6c34\u724c \u00e9t\u00e9 \u05d0\u05d1 \U0001f408 \u2028",
    'it\'s \\ "quoted" & <b>bold</b>',
]


class Case(unittest.TestCase):
    """A test case with its own folder."""

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, True)

    def path(self, *parts):
        """Return a path in the test's folder; its parent folders are created."""
        full = os.path.join(self.folder, *parts)
        if not os.path.isdir(os.path.dirname(full)):
            os.makedirs(os.path.dirname(full))
        return full

    def write(self, text, *parts):
        """Write a text file in the test's folder; returns its path."""
        path = self.path(*parts)
        with io.open(path, "w", encoding="utf-8") as f:
            f.write(text if isinstance(text, type("")) else text.decode("utf-8"))
        return path

    def assert_words(self, *words):
        """Return a context that expects an FcnError whose message contains all of `words`."""
        return _Words(self, words)


class _Words(object):
    def __init__(self, case, words):
        self.case = case
        self.words = words

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.case.assertIsNotNone(error, "nothing was raised; expected words on it")
        if not isinstance(error, FcnError):
            return False
        for word in self.words:
            self.case.assertIn(word, error.words)
        return True


def vectors(name):
    """Return the cases of one file of shared test vectors."""
    with io.open(os.path.join(ROOT, "tests", "vectors", name), encoding="utf-8") as f:
        return json.load(f)["cases"]


def rings(height, width, classes, seed=0):
    """Return a class map with smooth regions: H x W uint8."""
    rng = np.random.RandomState(seed)
    y, x = np.mgrid[:height, :width]
    out = np.zeros((height, width), np.uint8)
    for index in range(1, classes):
        cy, cx = rng.randint(0, height), rng.randint(0, width)
        radius = max(1, min(height, width) // 4)
        out[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = index
    return out


def scores_of(indices, classes, seed=0):
    """Return scores whose argmax is `indices`: classes x H x W float32."""
    rng = np.random.RandomState(seed)
    scores = rng.standard_normal((classes,) + indices.shape).astype(np.float32)
    top = scores.max(axis=0) + 1
    # NumPy 1.14, which DIGITS pins, has no put_along_axis.
    return np.where(np.arange(classes)[:, None, None] == indices, top, scores)


def paletted(indices, table=None):
    """Return a Pillow image of mode P."""
    image = Image.fromarray(indices)
    table = palette.voc() if table is None else table
    image.putpalette(np.asarray(table, np.uint8).tobytes())
    return image


def make_voc(folder, names=("a", "b", "c"), train=("a", "b"), val=("c",), size=(24, 32)):
    """Write a small dataset in the VOC layout to `folder`; returns its path.

    Images are PNG, so that tests know every pixel; classes 0 to 3 and 255 occur.
    """
    for part in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        if not os.path.isdir(os.path.join(folder, part)):
            os.makedirs(os.path.join(folder, part))
    for seed, name in enumerate(names):
        rng = np.random.RandomState(seed)
        image = rng.randint(0, 256, size + (3,)).astype(np.uint8)
        label = rings(size[0], size[1], 4, seed)
        label[0] = 255
        Image.fromarray(image).save(os.path.join(folder, "JPEGImages", name + ".png"))
        paletted(label).save(os.path.join(folder, "SegmentationClass", name + ".png"))
    for name, members in (("train", train), ("val", val)):
        path = os.path.join(folder, "ImageSets", "Segmentation", name + ".txt")
        with io.open(path, "w", encoding="utf-8") as f:
            f.write("".join("%s\n" % member for member in members))
    return folder


def label_of(folder, name):
    """Return the label array of one name in a dataset of `make_voc`."""
    return np.array(Image.open(os.path.join(folder, "SegmentationClass", name + ".png")))


def image_of(folder, name):
    """Return the image array of one name in a dataset of `make_voc`."""
    return np.array(Image.open(os.path.join(folder, "JPEGImages", name + ".png")))


def pack(folder, path, mode):
    """Write a tar archive (`mode` as for tarfile) of `folder` below VOCdevkit/VOC2012."""
    with tarfile.open(path, mode) as tar:
        tar.add(folder, "VOCdevkit/VOC2012")
    return path
