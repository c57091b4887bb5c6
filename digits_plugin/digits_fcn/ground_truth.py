"""Ground truth: finds the label that belongs to a tested image.

DIGITS passes a visualization the image and the outputs, but not the ground truth. It is looked up,
in this order: in an output blob named like a label; in a folder entered in the form, by the name
of the tested image; in the dataset's validation database (Test a Database); among the validation
images of a dataset made by our data extension. In the last two the tested image must equal the
dataset's pixel for pixel, so that no image is ever scored against another one's label.
"""

from __future__ import absolute_import, division, unicode_literals

import hashlib
import os
import time

import numpy as np

from . import classmap, contract, label_db, labels, palette
from .data import DataIngestion
from .errors import FcnError
from .source import open_source
from .tested import Tested, number_of, stem
from .text import shorten, to_text

BLOBS = ("label", "labels", "ground_truth")
ENDINGS = (".png", ".bmp", ".gif", ".tif", ".tiff")
# Decoding a whole validation set takes seconds; the next sample continues where one stopped, on
# later pages too.
SEARCH_SECONDS = 2.0
KEPT_SEARCHES = 4
_searches = {}


class GroundTruth(object):
    """Finds labels for the samples of one page.

    dataset: DIGITS' dataset job or None; folder: path of label images, "" for none; tested: the
    Tested of the page. Raises FcnError for a folder that does not exist or holds no label.
    """

    def __init__(self, dataset=None, folder="", tested=None):
        self.dataset = dataset
        self.tested = tested or Tested()
        # Whether a label was taken because of its place in the folder, not because of its name.
        self.by_order = False
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
                return given(blob, name), "blob %s" % to_text(name)
        return None, None

    def _label_files(self):
        names = [n for n in self.folder.listing("") if n.lower().endswith(ENDINGS)]
        if not names:
            raise FcnError(
                "The ground truth folder holds no label image (%s) at its top; expected one per "
                "tested image." % ", ".join(ENDINGS)
            )
        return names

    def _in_folder(self, input_id, position):
        if self.tested.is_turned(input_id):
            raise FcnError(
                "'%s' is stored sideways or mirrored (EXIF orientation), and DIGITS tests it as it "
                "is stored, so that its label would not fit. Save it upright."
                % shorten(self.tested.shown(input_id))
            )
        name = self._by_name(input_id)
        where = name
        if name is None:
            name = self._by_order(input_id, position)
            where = "%s, by order" % name
            self.by_order = True
        colours = palette.voc()[:21]
        return labels.read_label(self.folder.read(name), name, colours)[0], where

    def _labels_of(self, path):
        return [name for name in self.files if stem(name) == stem(path)]

    def _by_name(self, input_id):
        """Return the label file named like the image, None if the name is unknown or unmatched."""
        path = self.tested.path(input_id)
        if path is None:
            # A database key may be a name: labels can be called 000000007.png.
            keyed = not isinstance(input_id, (int, np.integer))
            return (self._labels_of(to_text(input_id)) + [None])[0] if keyed else None
        found = self._labels_of(path)
        sharing = self.tested.sharing(path)
        for what, names in (("label images", found), ("tested images", sharing)):
            if found and len(names) > 1:
                raise FcnError(
                    "Which label belongs to '%s' is uncertain: there are several %s of that name "
                    "(%s)." % (shorten(path), what, shorten(", ".join(names), 200))
                )
        return found[0] if found else None

    def _by_order(self, input_id, position):
        """Return the label file at the image's place; FcnError where that would be a guess."""
        count, shown = self.tested.count, shorten(self.tested.shown(input_id))
        what = "There is no label for '%s' in the ground truth folder, which holds %d label images"
        what = what % (shown, len(self.files))
        if any(self._labels_of(path) for path in self.tested.paths):
            raise FcnError("%s; expected '%s.png'." % (what, shorten(stem(shown))))
        if count is None:
            raise FcnError(
                "%s. How many images are tested is unknown here, so that labels cannot be taken by "
                "order either." % what
            )
        if count != len(self.files):
            raise FcnError(
                "%s while %d %s tested; expected '%s.png', or as many label images as tested "
                "images to take them by order."
                % (what, count, "is" if count == 1 else "are", shorten(stem(shown)))
            )
        number = number_of(input_id) if self.tested.paths else None
        return self.files[position if number is None else number]

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
        if contract.VAL_NAMES not in userdata or image.ndim != 3:
            return None, None
        if self.store is None:
            # A copy: DIGITS keeps the dictionary, and what is found here must not be kept.
            self.store = DataIngestion(**dict(userdata, is_inference_db=False))
            self._resume(userdata)
        path = self.tested.path(input_id)
        if path is not None and stem(path) in userdata[contract.VAL_NAMES]:
            self._learn(stem(path))
        name = self._named(_fingerprint(image))
        if name is None:
            return None, None
        return self.store.read_label("voc", name), name

    def _resume(self, userdata):
        key = tuple(userdata.get(part) for part in ("source", "folder_inside", "val_set"))
        if key not in _searches:
            if len(_searches) >= KEPT_SEARCHES:
                _searches.clear()
            _searches[key] = ({}, iter(list(userdata[contract.VAL_NAMES])))
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
        try:
            # Upright, as its label is: a photograph that was tested as stored has no truth here.
            picture = self.store.read_image("voc", name)
        except Exception:  # a broken image of the dataset does not concern this page
            return
        self.known[_fingerprint(picture)] = name


def given(blob, name):
    """Return a label that is an array already: H x W uint8 (-1 becomes 255).

    Raises FcnError, naming the blob, for more than one map and for what is not a class index.
    """
    blob = np.asarray(blob)
    plane = blob.reshape(blob.shape[-2:]) if blob.ndim >= 2 else None
    if plane is None or plane.size != blob.size or blob.dtype.kind not in "fiub":
        raise FcnError("Blob '%s' is not a single map of labels." % shorten(name))
    return classmap.from_indices(name, plane[np.newaxis])


def _fingerprint(picture):
    shape = ",".join(str(n) for n in picture.shape)
    return shape + hashlib.sha1(np.ascontiguousarray(picture).tobytes()).hexdigest()
