"""The data extension `VOC segmentation`.

DIGITS makes one instance from the form's values when the dataset is created, keeps
`get_user_data()`, and later makes others from it: in one process per stage and for the inference
form. What the first instance looked up (class names, palette, validation names) is in the user
data, so that later ones read nothing from disk until images are needed.
"""

from __future__ import absolute_import, division, unicode_literals

import threading

import numpy as np

from . import contract, images, labels, names, palette
from .errors import FcnError
from .text import form_template, read_text, shorten, to_text
from .voc import COLOUR_TABLES, Sbd, Voc, size_words

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
        # DIGITS 6 makes an instance for every dataset whose model is tested, whoever made it.
        self.is_ours = contract.VAL_NAMES in self.userdata or not is_inference_db
        if self.is_ours and contract.VAL_NAMES not in self.userdata:
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
        return "VOC segmentation"

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
        return form_template("dataset.html"), {"form": form}

    def get_inference_form(self):
        """Return an InferenceForm of this dataset's validation images, or None.

        None where there is none: for a dataset that another extension made, and in DIGITS 5, where
        the form would take the place of Test One and Test Many.
        """
        from . import forms

        if not contract.offers_inference_forms():
            return None
        if not self.is_ours:
            return forms.refused_inference_form()
        form = forms.InferenceForm()
        form.images = self
        form.pick.choices = forms.choices(
            (name, name) for name in self.userdata[contract.VAL_NAMES]
        )
        return form

    @staticmethod
    def get_inference_template(form):
        """Return the (Jinja template, context) of the form that picks validation images."""
        return form_template("inference.html"), {"form": form}

    # --- what DIGITS asks of an instance -----------------------------------------------------

    def itemize_entries(self, stage):
        """Return the entries of a stage: list of (dataset, name), dataset being "voc" or "sbd"."""
        if self.userdata["is_inference_db"]:
            if stage != contract.TEST_DB or not self.is_ours:
                return []
            picked = self.userdata.get("pick") or self.first()
            return [("voc", name) for name in picked]
        if stage == contract.VAL_DB:
            return [("voc", name) for name in self.userdata[contract.VAL_NAMES]]
        if stage == contract.TRAIN_DB:
            return self._train_entries()
        return []

    def encode_entry(self, entry):
        """Return (feature, label) of one entry: 3 x H x W uint8 RGB, 1 x H x W uint8 class indices.

        Called from several threads at once. Raises FcnError, naming the file, for a label of
        another size, kind or palette, and for indices past the class names.
        """
        kind, name = entry
        image = self.read_image(kind, name)
        if self.userdata["is_inference_db"] and kind == "voc" and not self._has_label(name):
            # Test images have no labels; an inference database needs an array anyway.
            indices = np.full(image.shape[:2], labels.IGNORE, np.uint8)
        else:
            indices = self.read_label(kind, name, image.shape[:2])
        return image.transpose(2, 0, 1), indices[np.newaxis]

    # --- images and labels -------------------------------------------------------------------

    def read_image(self, kind, name):
        """Return one image as every viewer shows it, H x W x 3 uint8 RGB."""
        raw, where = self._store(kind).image(name)
        return images.as_rgb(raw, where)

    def image_size(self, kind, name):
        """Return (height, width) of one image as every viewer shows it."""
        raw, where = self._store(kind).image(name)
        return images.upright_size(raw, where)

    def first(self, count=1, size=None):
        """Return the first `count` validation images, or fewer, that DIGITS can test together.

        size: the (height, width) of several; None for that of the first one.
        """
        names = self.userdata[contract.VAL_NAMES]
        if count < 2:
            return names[:1]
        size = size or self.image_size("voc", names[0])
        found = []
        for name in names:
            if self.image_size("voc", name) == size:
                found.append(name)
            if len(found) == count:
                break
        return found

    def read_label(self, kind, name, size=None):
        """Return the checked class indices of one label, H x W uint8 (see `encode_entry`).

        size: (height, width) of its image, None where that does not matter.
        """
        colours, mapped = self._label_colours()
        indices, found = self._store(kind).read_label(
            name, colours, kind=self.userdata.get("label_kind") or "auto", mapped=mapped
        )
        if size is not None and indices.shape != tuple(size):
            raise FcnError(
                "Label '%s' is %s pixels and its image %s (width x height); expected equal sizes."
                % (shorten(name), size_words(indices.shape), size_words(size))
            )
        if found is not None and self.userdata.get("fcn_palette_from") == "labels":
            self._check_palette(name, indices, found)
        classes = self.userdata.get(contract.CLASS_LABELS_ATTRIBUTE)
        if classes:
            labels.check_indices(indices, name, len(classes))
        return indices

    def check_matlab(self, name):
        """Raise FcnError if the label of an SBD image is not a MATLAB file; it is not decoded."""
        self._open_sbd().label(name)

    def _check_palette(self, name, indices, found):
        ours = palette.from_list(self.userdata[contract.COLOR_PALETTE_ATTRIBUTE])
        # Colours past those that both palettes give are made up for display.
        given = min(self.userdata.get("fcn_palette_given", 255), palette.given(found))
        used = np.unique(indices)
        index = palette.first_difference(ours, found, used[used < given])
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
        """Return the colours of RGB labels, or None, and whether they hold for all labels."""
        kind = self.userdata.get("label_kind")
        if kind == "indexed":
            return None, False
        return self._colour_map()[0], bool(self.userdata.get("colour_map_file")) and kind != "rgb"

    def _colour_map(self):
        """Return (colours, names or None) of the form's file, a tool's table, or VOC's 21."""
        if self._colours is None:
            path = self.userdata.get("colour_map_file")
            tables = [] if path else [(self._open_voc().text(name), name) for name in COLOUR_TABLES]
            tables = [(text, name) for text, name in tables if text is not None]
            # Assigned only when complete: other threads read it without the lock.
            if tables:
                self._colours = palette.parse_text(*tables[0])
            else:
                self._colours = palette.colour_map(path or "voc")
        return self._colours

    def _has_label(self, name):
        return self._open_voc().has_label(name)

    def _store(self, kind):
        return self._open_sbd() if kind == "sbd" else self._open_voc()

    # --- looking up --------------------------------------------------------------------------

    def _look_up(self):
        """Fill the user data: class names, palette, validation names."""
        for field in FIELDS:
            self.userdata[field] = to_text(self.userdata.get(field) or "")
        voc = self._open_voc()
        self.userdata[contract.VAL_NAMES] = voc.names(self.userdata["val_set"] or "val")
        first = voc.names(self.userdata["train_set"] or "train")[0]
        self.userdata["fcn_folders"] = voc.folders
        indices, found = self._first_label(voc, first)
        table, origin = found, "labels"
        if self.userdata["colour_map_file"] or (found is None and self._is_rgb(voc, first)):
            table, origin = palette.of_colours(self._colour_map()[0]), "colour map"
        classes = self._class_names(voc, table)
        if table is None:
            # Grey labels have no colours of their own, but DIGITS' views need some.
            origin = "made"
            table = palette.even(len(classes)) if classes else palette.voc()
        self.userdata[contract.COLOR_PALETTE_ATTRIBUTE] = palette.to_list(
            palette.filled(table, len(classes) if classes else 256)
        )
        self.userdata["fcn_palette_from"] = origin
        self.userdata["fcn_palette_given"] = palette.given(table)
        if classes:
            self.userdata[contract.CLASS_LABELS_ATTRIBUTE] = classes
            labels.check_indices(indices, first, len(classes))

    def _first_label(self, voc, name):
        colours, mapped = self._label_colours()
        kind = self.userdata["label_kind"] or "auto"
        try:
            return voc.read_label(name, colours, kind=kind, mapped=mapped)
        except FcnError as error:
            error.field = error.field or "train_set"
            raise

    @staticmethod
    def _is_rgb(voc, name):
        raw, where = voc.label(name)
        return images.open_image(raw, where).mode in ("RGB", "RGBA")

    def _class_names(self, voc, table):
        path = self.userdata["class_names_file"]
        if path:
            return list(names.VOC) if path == "voc" else names.parse(read_text(path), path)
        text = voc.text("classes.txt")
        if text is not None:
            return names.parse(text, "classes.txt")
        named = self._colour_map()[1]
        if named:
            return named
        if table is not None and (table[: len(names.VOC)] == palette.voc()[: len(names.VOC)]).all():
            return list(names.VOC)
        return None

    def _train_entries(self):
        voc_names = self._open_voc().names(self.userdata["train_set"])
        entries = [("voc", name) for name in voc_names]
        if self.userdata.get("sbd"):
            # VOC's own labels are finer than SBD's, and validation images stay unseen.
            taken = set(voc_names) | set(self.userdata[contract.VAL_NAMES])
            more = [name for name in self._open_sbd().names() if name not in taken]
            entries += [("sbd", name) for name in more]
        return entries

    def _open_voc(self):
        with self._lock:
            if self._voc is None:
                voc = Voc(self.userdata["source"], self.userdata.get("folder_inside") or "")
                # Lists with two columns name other folders; not every process reads a list.
                voc.folders = list(self.userdata.get("fcn_folders") or voc.folders)
                self._voc = voc
            return self._voc

    def _open_sbd(self):
        with self._lock:
            if self._sbd is None:
                self._sbd = Sbd(self.userdata["sbd"])
            return self._sbd
