"""The data extension `PASCAL VOC segmentation`.

DIGITS makes one instance from the form's values when the dataset is created, keeps
`get_user_data()`, and later makes others from it: in one process per stage and for the inference
form. What the first instance looked up (class names, palette, validation names) is in the user
data, so that later ones read nothing from disk until images are needed.
"""

from __future__ import absolute_import, division, unicode_literals

import os
import threading

import numpy as np

from . import contract, labels, names, palette
from .errors import FcnError
from .text import read_text, shorten, to_text
from .voc import Sbd, Voc

TEMPLATES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")
FIELDS = (
    "source folder_inside train_set val_set sbd label_kind colour_map_file class_names_file"
).split()


class DataIngestion(contract.DataIngestionInterface):
    """Reads a VOC-layout folder or archive; see DatasetForm for the options."""

    def __init__(self, is_inference_db=False, **kwargs):
        kwargs.pop("csrf_token", None)
        super(DataIngestion, self).__init__(is_inference_db=is_inference_db, **kwargs)
        # The base class does not persist it, and the process that writes the inference database
        # has no other way to know.
        self.userdata["is_inference_db"] = bool(is_inference_db)
        self._lock = threading.Lock()
        self._voc = self._sbd = self._colours = None
        if "fcn_val_names" not in self.userdata:
            self._look_up()

    # --- what DIGITS asks of the class -------------------------------------------------------

    @staticmethod
    def get_id():
        """Return an id that no other extension has."""
        return "fcn-voc-segmentation"

    @staticmethod
    def get_category():
        """Return the menu that the extension appears in."""
        return "Images"

    @staticmethod
    def get_title():
        """Return the entry in the menu."""
        return "PASCAL VOC segmentation"

    @staticmethod
    def get_default_visibility():
        """Return whether the menu shows it by default."""
        return True

    @staticmethod
    def get_dataset_form():
        """Return a new DatasetForm."""
        from .forms import DatasetForm

        return DatasetForm()

    @staticmethod
    def get_dataset_template(form):
        """Return the (Jinja template, context) of the options for a new dataset."""
        return read_text(os.path.join(TEMPLATES, "dataset.html")), {"form": form}

    def get_inference_form(self):
        """Return an InferenceForm that lists this dataset's validation images."""
        from .forms import InferenceForm, choices

        form = InferenceForm()
        form.pick.choices = choices((name, name) for name in self.userdata["fcn_val_names"])
        return form

    @staticmethod
    def get_inference_template(form):
        """Return the (Jinja template, context) of the form that picks validation images."""
        return read_text(os.path.join(TEMPLATES, "inference.html")), {"form": form}

    # --- what DIGITS asks of an instance -----------------------------------------------------

    def itemize_entries(self, stage):
        """Return the entries of a stage: list of (dataset, name), dataset being "voc" or "sbd"."""
        if self.userdata["is_inference_db"]:
            if stage != contract.TEST_DB:
                return []
            picked = self.userdata.get("pick") or []
            count = int(self.userdata.get("pick_count") or 10)
            return [("voc", name) for name in picked or self.userdata["fcn_val_names"][:count]]
        if stage == contract.VAL_DB:
            return [("voc", name) for name in self.userdata["fcn_val_names"]]
        if stage == contract.TRAIN_DB:
            return self._train_entries()
        return []

    def encode_entry(self, entry):
        """Return (feature, label) of one entry: 3 x H x W uint8 RGB, 1 x H x W uint8 class indices.

        Called from several threads at once. Raises FcnError, naming the file, for a label of
        another size, kind or palette, and for indices past the class names.
        """
        kind, name = entry
        store = self._open_sbd() if kind == "sbd" else self._open_voc()
        raw, where = store.image(name)
        image = np.array(labels.upright(labels.open_image(raw, where)).convert("RGB"))
        if self.userdata["is_inference_db"] and kind == "voc" and not store.has_label(name):
            # Test images have no labels; an inference database needs an array anyway.
            indices = np.full(image.shape[:2], labels.IGNORE, np.uint8)
        else:
            indices = self.read_label(kind, name)
        if indices.shape != image.shape[:2]:
            raise FcnError(
                "Label '%s' is %d x %d pixels and its image %d x %d (width x height); expected "
                "equal sizes."
                % (
                    shorten(name),
                    indices.shape[1],
                    indices.shape[0],
                    image.shape[1],
                    image.shape[0],
                )
            )
        return image.transpose(2, 0, 1), indices[np.newaxis]

    # --- labels ------------------------------------------------------------------------------

    def read_label(self, kind, name):
        """Return the checked class indices of one label, H x W uint8 (see `encode_entry`)."""
        store = self._open_sbd() if kind == "sbd" else self._open_voc()
        indices, found = store.read_label(name, self._label_colours())
        if self.userdata.get("label_kind") == "rgb" and found is not None:
            raise FcnError(
                "Label '%s' is a paletted image, and labels were declared to be RGB colours. "
                "Choose 'As found' or 'Class indices' as the kind of labels." % shorten(name)
            )
        if found is not None and self.userdata.get("fcn_palette_from") == "labels":
            self._check_palette(name, indices, found)
        classes = self.userdata.get(contract.CLASS_LABELS_ATTRIBUTE)
        if classes:
            labels.check_indices(indices, name, len(classes))
        return indices

    def _check_palette(self, name, indices, found):
        ours = palette.from_list(self.userdata[contract.COLOR_PALETTE_ATTRIBUTE])
        index = palette.first_difference(ours, found, np.unique(indices))
        if index is not None:
            raise FcnError(
                "Label '%s' has colour %s for class %d, and the dataset's palette (from its first "
                "label) has %s; expected the same palette in all labels. Save the labels again "
                "with one palette, or as grey images of class indices."
                % (
                    shorten(name),
                    tuple(map(int, found[index])),
                    index,
                    tuple(map(int, ours[index])),
                )
            )

    def _label_colours(self):
        if self.userdata.get("label_kind") == "indexed":
            return None
        if self._colours is None:
            path = self.userdata.get("colour_map_file")
            # Assigned only when complete: other threads read it without the lock.
            self._colours = (
                palette.parse_text(read_text(path), path)[0]
                if path
                else palette.voc()[: len(names.VOC)]
            )
        return self._colours

    # --- looking up --------------------------------------------------------------------------

    def _look_up(self):
        """Fill the user data: class names, palette, validation names."""
        for field in FIELDS:
            self.userdata[field] = to_text(self.userdata.get(field) or "")
        voc = self._open_voc()
        self.userdata["fcn_val_names"] = voc.names(self.userdata["val_set"] or "val")
        first = voc.names(self.userdata["train_set"] or "train")[0]
        indices, found = voc.read_label(first, self._label_colours())
        rgb = found is None and self._is_rgb(voc, first)
        classes, table, origin = None, found, "labels"
        if rgb:
            table, origin = palette.from_list(self._label_colours().ravel()), "colour map"
        classes = self._class_names(voc, rgb, table)
        if table is None:
            # Grey labels have no colours of their own, but DIGITS' views need some.
            origin = "made"
            table = palette.even(len(classes)) if classes else palette.voc()
        self.userdata[contract.COLOR_PALETTE_ATTRIBUTE] = palette.to_list(table)
        self.userdata["fcn_palette_from"] = origin
        if classes:
            self.userdata[contract.CLASS_LABELS_ATTRIBUTE] = classes
            labels.check_indices(indices, first, len(classes))

    @staticmethod
    def _is_rgb(voc, name):
        raw, where = voc.label(name)
        return labels.open_image(raw, where).mode in ("RGB", "RGBA")

    def _class_names(self, voc, rgb, table):
        path = self.userdata["class_names_file"]
        if path:
            return names.parse(read_text(path), path)
        text = voc.text("classes.txt")
        if text is not None:
            return names.parse(text, "classes.txt")
        path = self.userdata["colour_map_file"]
        if rgb and path:
            return palette.parse_text(read_text(path), path)[1]
        if table is not None and (table[: len(names.VOC)] == palette.voc()[: len(names.VOC)]).all():
            return list(names.VOC)
        return None

    def _train_entries(self):
        voc_names = self._open_voc().names(self.userdata["train_set"])
        entries = [("voc", name) for name in voc_names]
        if self.userdata.get("sbd"):
            # VOC's own labels are finer than SBD's, and validation images stay unseen.
            taken = set(voc_names) | set(self.userdata["fcn_val_names"])
            more = [name for name in self._open_sbd().names() if name not in taken]
            entries += [("sbd", name) for name in more]
        return entries

    def _open_voc(self):
        with self._lock:
            if self._voc is None:
                self._voc = Voc(self.userdata["source"], self.userdata.get("folder_inside") or "")
            return self._voc

    def _open_sbd(self):
        with self._lock:
            if self._sbd is None:
                self._sbd = Sbd(self.userdata["sbd"])
            return self._sbd
