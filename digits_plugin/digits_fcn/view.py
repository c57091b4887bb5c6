"""The visualization `FCN Segmentation` for DIGITS' `Test One` and `Test Many` pages.

DIGITS makes one Visualization per page, calls `process_data` and `get_view_template` for each
sample, then requests the header. Whatever is wrong with a sample becomes a sentence in its place
on the page: an exception would replace the whole page with a traceback.
"""

from __future__ import absolute_import, division, unicode_literals

import logging

import numpy as np

from . import classmap, contract, ground_truth, metrics, names, page, palette, tested
from .errors import FcnError
from .text import form_template, shorten, template, to_text

logger = logging.getLogger(__name__)


class Visualization(contract.VisualizationInterface):
    """Shows the class maps of one page; see ConfigForm for the options."""

    def __init__(self, dataset, **kwargs):
        """dataset: DIGITS' dataset job, of any kind, or None; kwargs: the config form's values."""
        super(Visualization, self).__init__()
        userdata = getattr(dataset, "extension_userdata", None)
        self.userdata = userdata if isinstance(userdata, dict) else {}
        self.options = kwargs
        self.notes = []
        self.samples = 0
        self.scored = {}
        self.shares = {}
        self.class_names = self._class_names()
        self.table = self._palette()
        self._names = {}
        self._tables = {}  # by the number of classes
        self.tested = tested.from_request(dataset)
        self.truths = self._truths(dataset)

    # --- what DIGITS asks of the class -------------------------------------------------------

    @staticmethod
    def get_id():
        """Return an id that no other extension has."""
        return "fcn-segmentation"

    @staticmethod
    def get_title():
        """Return the entry in the menu of visualizations."""
        return "FCN Segmentation"

    @staticmethod
    def get_dirname():
        """Return the folder of static files; there are none, as the templates inline them."""
        return "fcnSegmentation"

    @staticmethod
    def get_default_visibility():
        """Return whether the menu shows it by default."""
        return True

    @staticmethod
    def get_config_form():
        """Return a new ConfigForm."""
        from .forms import ConfigForm

        return ConfigForm()

    @staticmethod
    def get_config_template(form):
        """Return the (Jinja template, context) of the options."""
        return form_template("config.html"), {"form": form}

    # --- what DIGITS asks of an instance -----------------------------------------------------

    def get_ng_templates(self):
        """Return (header, footer): finished HTML around the samples, with script and styles."""
        header = "<style>\n%s</style>\n<script>\n%s\n%s</script>\n%s" % (
            template("fcn.css"),
            template("paint.js"),
            template("app.js"),
            template("app_begin.html"),
        )
        return header, template("app_end.html")

    def get_header_template(self):
        """Return the (Jinja template, context) of the summary: notes, shares, scores of all."""
        if self.truths.by_order:
            self._note(
                "Labels of the ground truth folder were taken by order, as none has the name of a "
                "tested image. Each sample says which one it was given: compare the first and the "
                "last before you trust the scores."
            )
        return template("header.html"), {
            "samples": self.samples,
            "notes": self.notes,
            "outputs": [self._summary(name) for name in sorted(self.shares)],
        }

    def process_data(self, input_id, input_data, output_data, ground_truth=None):
        """Return what `get_view_template` needs for one sample: a dict, with `error` on failure.

        input_id: any; input_data: H x W x C uint8 (RGB) or H x W; output_data: dict of blob name ->
        C x H x W; ground_truth: H x W class indices where the host has them (DIGITS does not).
        """
        shown = shorten(self.tested.shown(input_id), 300)
        sample = {"id": shown, "error": None, "notes": [], "maps": []}
        self.samples += 1
        try:
            outputs = dict(output_data)
            truth = self._truth(sample, input_id, input_data, outputs, ground_truth)
            maps, notes = classmap.class_maps(outputs)
            sample["notes"] += notes
            size = maps[0].indices.shape
            sample["input"] = page.picture_uri(input_data, size)
            self._names = self._names_for(maps)
            sample["maps"] = [self._map(sample, found, truth) for found in maps]
            self._compare_sizes(sample, input_data, size)
        except FcnError as error:
            sample.update(error=error.words, maps=[])
        except Exception as error:
            # Unexpected, so the log gets the traceback; the other samples are still shown.
            logger.exception("FCN Segmentation could not show sample %s", sample["id"])
            words = "This sample could not be shown (%s: %s). DIGITS' log has the details."
            sample.update(error=words % (type(error).__name__, shorten(error, 200)), maps=[])
        return sample

    def get_view_template(self, data):
        """Return the (Jinja template, context) of one sample from `process_data`."""
        return template("view.html"), {"sample_json": page.script_json(data)}

    # --- one sample --------------------------------------------------------------------------

    def _truth(self, sample, input_id, input_data, outputs, given):
        """Return the ground truth as H x W uint8, or None with the reason in the sample's notes."""
        try:
            if given is not None:
                return ground_truth.given(given, "ground truth")
            truth, where = self.truths.find(input_id, input_data, outputs)
            sample["truth_from"] = shorten(where, 300) if truth is not None else None
            return truth
        except FcnError as error:
            sample["notes"].append("No ground truth for this sample. " + error.words)
            return None

    def _map(self, sample, found, truth):
        ours = self._names[found.name]
        table = self._table_for(found)
        background = self._background(ours)
        counts = None
        if truth is not None:
            try:
                counts = page.check_truth(truth, found, ours)
                self._add(self.scored, found.name, counts)
            except FcnError as error:
                sample["notes"].append(error.words)
                truth = None
        self._add(self.shares, found.name, np.bincount(found.indices.ravel(), minlength=256))
        return page.map_payload(found, table, ours, background, sample["id"], truth, counts)

    @staticmethod
    def _add(totals, name, counts):
        before = totals.get(name)
        if before is not None and len(before) != len(counts):
            # Maps without scores: a later sample may show more classes than the first ones.
            size = max(len(before), len(counts))
            before, counts = _grown(before, size), _grown(counts, size)
        totals[name] = counts if before is None else before + counts

    def _names_for(self, maps):
        """Class names of each output: dict of blob name -> list of text or None.

        The dataset's names belong to the output with as many classes (SIFT Flow's second output
        has others); if none has, they are used as far as they go, and a note says so.
        """
        given = self.class_names
        if given is None:
            return {found.name: None for found in maps}
        exact = any(found.classes in (None, len(given)) for found in maps)
        chosen = {}
        for found in maps:
            fits = found.classes in (None, len(given))
            chosen[found.name] = given if fits else (None if exact else given[: found.classes])
            if not fits:
                self._note(
                    "The dataset names %d classes and output '%s' has %d. %s"
                    % (
                        len(given),
                        shorten(found.name),
                        found.classes,
                        "Its classes are numbered."
                        if exact
                        else "Names are used as far as they go; check that the network and the "
                        "dataset belong together.",
                    )
                )
        return chosen

    def _table_for(self, found):
        if self.table is None:
            return palette.even(found.classes or 256)
        classes = found.classes or self._shown_classes(found)
        if classes not in self._tables:
            self._tables[classes] = palette.filled(self.table, classes)
        return self._tables[classes]

    @staticmethod
    def _shown_classes(found):
        """Return how many classes a map without scores has, as far as it shows them."""
        shown = found.indices[found.indices != classmap.IGNORE]
        return int(shown.max()) + 1 if shown.size else 1

    @staticmethod
    def _compare_sizes(sample, input_data, size):
        shape = np.asarray(input_data).shape[:2]
        if sample["input"] is None:
            sample["notes"].append(
                "The network's input has shape %s and is not a picture; the class map is shown "
                "alone." % " x ".join(str(n) for n in np.asarray(input_data).shape)
            )
        elif shape != size:
            sample["notes"].append(
                "The class map is %d x %d pixels and the image %d x %d (width x height); the image "
                "is shown at the map's size." % (size[1], size[0], shape[1], shape[0])
            )

    # --- the whole page ----------------------------------------------------------------------

    def _note(self, words):
        if words not in self.notes:
            self.notes.append(words)

    def _class_names(self):
        found = self.userdata.get(contract.CLASS_LABELS_ATTRIBUTE)
        if not isinstance(found, (list, tuple)) or not found:
            self.notes.append(
                "The dataset has no class names (it was made by another extension, or without a "
                "class names file); classes are numbered."
            )
            return None
        return [to_text(name) for name in found]

    def _truths(self, dataset):
        folder = to_text(self.options.get("truth_folder") or "").strip()
        try:
            return ground_truth.GroundTruth(dataset, folder, self.tested)
        except FcnError as error:
            words = error.words
        except Exception as error:  # the network's answer is there and will be shown
            logger.exception("FCN Segmentation could not open the ground truth folder")
            words = "It cannot be read (%s)." % shorten(error)
        self.notes.append("Ground truth is left out. " + words)
        return ground_truth.GroundTruth(dataset, "", self.tested)

    def _palette(self):
        """Return 256 x 3 uint8, or None for the even palette, which is made per output."""
        choice = to_text(self.options.get("palette") or "dataset")
        if choice == "even":
            return None
        if choice == "file":
            try:
                path = to_text(self.options.get("palette_file") or "").strip()
                return palette.read(path)
            except FcnError as error:
                words = error.words
            except Exception as error:  # the network's answer is there and will be shown
                logger.exception("FCN Segmentation could not read the palette file")
                words = "The palette file cannot be read (%s)." % shorten(error)
            table, whose = self._default_palette()
            self.notes.append("%s %s is used instead." % (words, whose))
            return table
        if choice not in ("dataset", "voc"):
            self._note("There is no palette choice '%s'; the default is used." % shorten(choice))
        return palette.voc() if choice == "voc" else self._default_palette(explained=True)[0]

    def _default_palette(self, explained=False):
        """Return the dataset's palette, or else PASCAL VOC's, and what to call it."""
        voc = "PASCAL VOC's palette"
        values = self.userdata.get(contract.COLOR_PALETTE_ATTRIBUTE)
        try:
            if values is not None and len(values):
                return palette.from_list(values), "The dataset's palette"
        except Exception as error:
            self.notes.append("%s %s is used." % (to_text(error), voc))
            return palette.voc(), voc
        if explained:
            self.notes.append(
                "The dataset has no palette; PASCAL VOC's is used. Another can be chosen "
                "under 'Palette' where this visualization is selected."
            )
        return palette.voc(), voc

    def _background(self, ours):
        choice = self.options.get("background") or "auto"
        if choice in ("yes", "no"):
            return 0 if choice == "yes" else None
        if choice != "auto":
            self._note("There is no choice '%s' for class 0." % shorten(choice))
        # For an output other than the one that the dataset names, no background is known.
        return None if ours is None and self.class_names else names.background(ours)

    def _summary(self, name):
        shares = self.shares[name]
        counts = self.scored.get(name)
        each = metrics.iou(counts) if counts is not None else []
        rows = []
        for index in np.argsort(-shares, kind="mergesort"):
            if not shares[index]:
                break
            score = each[index] if index < len(each) else np.nan
            rows.append(
                {
                    "name": names.shown_name(self._names.get(name), int(index)),
                    "share": "%.1f %%" % (100.0 * shares[index] / shares.sum()),
                    "iou": "" if np.isnan(score) else "%.1f %%" % (100 * score),
                }
            )
        summary = {"name": shorten(name, 200), "rows": rows, "mean_iou": None}
        if counts is not None and counts.sum():
            summary["mean_iou"] = "%.1f %%" % (100 * metrics.mean_iou(counts))
            summary["accuracy"] = "%.1f %%" % (100 * metrics.pixel_accuracy(counts))
        return summary


def _grown(counts, size):
    """Return counts or confusion counts enlarged to `size` classes."""
    if counts.ndim == 1:
        return np.concatenate((counts, np.zeros(size - len(counts), counts.dtype)))
    out = np.zeros((size, size + 1), counts.dtype)
    old = len(counts)
    out[:old, :old] = counts[:, :old]
    out[:old, -1] = counts[:, -1]
    return out
