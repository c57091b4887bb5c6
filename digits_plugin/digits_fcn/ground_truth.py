"""Ground truth: finds the label that belongs to a tested image.

DIGITS passes a visualization the image and the outputs, but not the ground truth. It is looked up,
in this order: in an output blob named like a label; in a folder entered in the form; in the
dataset's validation database (Test a Database); among the validation images of a dataset made by
our data extension. In the last two the tested image must equal the dataset's pixel for pixel, so
that no image is ever scored against another one's label.
"""

from __future__ import absolute_import, division, unicode_literals

import hashlib
import io
import os
import time

import numpy as np

from . import contract, label_db, labels, palette
from .data import DataIngestion
from .errors import FcnError
from .source import open_source
from .text import shorten, to_text

BLOBS = ("label", "labels", "ground_truth")
# Decoding a whole validation set takes seconds; the next sample continues where one stopped, on
# later pages too.
SEARCH_SECONDS = 2.0
KEPT_SEARCHES = 4
_searches = {}


class GroundTruth(object):
    """Finds labels for the samples of one page.

    dataset: DIGITS' dataset job or None; folder: path of label images, "" for none.
    Raises FcnError for a folder that does not exist.
    """

    def __init__(self, dataset=None, folder=""):
        self.dataset = dataset
        self.folder = open_source(folder) if folder else None
        self.files = self._label_files() if folder else []
        self.seen = 0
        self.store = None
        self.known = self.unread = None

    def find(self, input_id, image, outputs):
        """Return (label, where): H x W uint8 and a name for the page, or (None, None).

        input_id: DIGITS' name of the sample (an index, a database key, a path); image: what the
        network saw, H x W x 3 uint8 or another array; outputs: dict of blob name -> array, from
        which a label blob is removed. Raises FcnError where the label cannot be read.
        """
        position, self.seen = self.seen, self.seen + 1
        label = self._in_outputs(outputs)
        if label[0] is None and self.folder is not None:
            return self._in_folder(input_id, position)
        image = np.asarray(image)
        for search in (self._in_database, self._in_dataset):
            if label[0] is None:
                label = search(input_id, image)
        return label

    @staticmethod
    def _in_outputs(outputs):
        for name in sorted(outputs, key=to_text):
            blob = np.asarray(outputs[name])
            if to_text(name).lower() in BLOBS and len(outputs) > 1:
                del outputs[name]
                plane = blob.reshape(blob.shape[-2:]) if blob.ndim >= 2 else None
                if plane is None or plane.size != blob.size:
                    raise FcnError("Blob '%s' is not a single map of labels." % shorten(name))
                return np.where(plane < 0, 255, plane).astype(np.uint8), "blob %s" % to_text(name)
        return None, None

    def _label_files(self):
        names = self.folder.listing("")
        return [name for name in names if name.lower().endswith((".png", ".bmp", ".gif"))]

    def _in_folder(self, input_id, position):
        stem = os.path.splitext(os.path.basename(to_text(input_id)))[0]
        named = [name for name in self.files if os.path.splitext(name)[0] == stem]
        place = int(stem) if stem.isdigit() else position
        if named:
            name = named[0]
        elif place < len(self.files):
            name = self.files[place]
        else:
            raise FcnError(
                "There is no label for sample '%s' in the ground truth folder, which holds %d "
                "label images; expected '%s.png', or as many files as samples."
                % (shorten(input_id), len(self.files), shorten(stem))
            )
        colours = palette.voc()[:21]
        return labels.read_label(self.folder.read(name), name, colours)[0], name

    def _in_database(self, input_id, image):
        paths = []
        for getter in ("get_feature_db_path", "get_label_db_path"):
            try:
                paths.append(getattr(self.dataset, getter)(contract.VAL_DB))
            except Exception:  # another kind of dataset, or one without this stage
                return None, None
        # A stage that was never created has no path (None).
        if not all(path and os.path.isdir(path) for path in paths):
            return None, None
        try:
            label = label_db.find(paths[0], paths[1], input_id, image)
        except (ImportError, FcnError):
            return None, None
        return label, "validation database"

    def _in_dataset(self, input_id, image):
        userdata = getattr(self.dataset, "extension_userdata", None) or {}
        if "fcn_val_names" not in userdata or image.ndim != 3:
            return None, None
        if self.store is None:
            # A copy: DIGITS keeps the dictionary, and what is found here must not be kept.
            self.store = DataIngestion(**dict(userdata, is_inference_db=False))
            self._resume(userdata)
        name = self._named(_fingerprint(image))
        if name is None:
            return None, None
        return self.store.read_label("voc", name), name

    def _resume(self, userdata):
        key = tuple(userdata.get(part) for part in ("source", "folder_inside", "val_set"))
        if key not in _searches:
            if len(_searches) >= KEPT_SEARCHES:
                _searches.clear()
            _searches[key] = ({}, iter(list(userdata["fcn_val_names"])))
        self.known, self.unread = _searches[key]

    def _named(self, wanted):
        end = time.time() + SEARCH_SECONDS
        while wanted not in self.known and time.time() < end:
            name = next(self.unread, None)
            if name is None:
                break
            self._learn(name)
        return self.known.get(wanted)

    def _learn(self, name):
        from PIL import Image

        try:
            raw, _where = self.store._open_voc().image(name)
            picture = np.array(Image.open(io.BytesIO(raw)).convert("RGB"))
        except Exception:  # a broken image of the dataset does not concern this page
            return
        self.known[_fingerprint(picture)] = name


def _fingerprint(picture):
    shape = ",".join(str(n) for n in picture.shape)
    return shape + hashlib.sha1(np.ascontiguousarray(picture).tobytes()).hexdigest()
