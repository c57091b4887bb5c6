"""Looks at every image and label of a dataset, whether they can be used and for what."""

import collections
import contextlib
import functools

import numpy as np
from PIL import Image

from caffeformat import InputError, datum_to_array, open_database, pb
from fcnkit.datasets import image_files
from fcnkit.images import load_pixels, open_image
from fcnkit.labels import label_array
from fcnkit.palette import IGNORE_LABEL, palette_agrees, palette_from_image

from .dataset_summary import Record, Summary
from .parallel import run_workers

# An image and its label: paths, serialized Datums (bytes), or None where there is none.
Entry = collections.namedtuple("Entry", "id image label")

_LABEL_KINDS = {"P": "paletted", "L": "grey", "1": "grey", "I": "grey", "I;16": "grey"}


def folder_entries(images, labels):
    """The entries of two folders, sorted by id, with images and labels that have no partner."""
    image_paths, label_paths = image_files(images), image_files(labels)
    for id_ in sorted(set(image_paths) | set(label_paths)):
        yield Entry(id_, image_paths.get(id_), label_paths.get(id_))


def database_entries(features, labels, ids=None):
    """The entries of two databases, in the order of their keys; `ids` are names instead of keys."""
    with open_database(features) as images, open_database(labels) as classes:
        keys = sorted(set(images.keys()) | set(classes.keys()))
        if ids is None or len(ids) != len(keys):
            ids = [key.decode("utf-8", "replace") for key in keys]
        for key, id_ in zip(keys, ids):
            yield Entry(id_, images.get(key), classes.get(key))


def open_entry(source, name):
    """A decoded `PIL.Image` from an entry's path or Datum; `InputError` where it is broken."""
    if not isinstance(source, bytes):
        return load_pixels(open_image(source, source), source)
    try:
        datum = pb.Datum.FromString(source)
    except ValueError as error:
        raise InputError(f"{name}: is no Datum: {error}") from error
    if datum.encoded:
        return load_pixels(open_image(datum.data, name), name)
    array = datum_to_array(datum)
    if array.dtype != np.uint8 or len(array) not in (1, 3):
        raise InputError(f"{name}: expected bytes in 1 or 3 channels, found {array.shape} values")
    if len(array) == 1:
        return Image.fromarray(array[0])
    return Image.fromarray(np.ascontiguousarray(array[::-1].transpose(1, 2, 0)))


class EntryChecker:
    """Called with an `Entry`, returns its `Record`.

    `classes` is the number of classes or None, `colours` the colours of RGB labels or None,
    `palette` the one that paletted labels are expected to have or None.
    """

    def __init__(self, classes=None, colours=None, palette=None):
        self.classes, self.colours, self.palette = classes, colours, palette

    def __call__(self, entry):
        problems = []
        size = kind = counts = None
        if entry.image is None:
            problems.append(("label without image", entry.id))
        else:
            try:
                size = open_entry(entry.image, f"image {entry.id}").size
            except InputError as error:
                problems.append(("unreadable", str(error)))
        if entry.label is None:
            problems.append(("image without label", entry.id))
        else:
            try:
                kind, counts = self._label(entry, size, problems)
            except InputError as error:
                problems.append(("unreadable", str(error)))
        return Record(entry.id, size, kind, counts, problems)

    def summary(self):
        """Records say it all."""

    def _label(self, entry, size, problems):
        name = f"label {entry.id}"
        label = open_entry(entry.label, name)
        kind = _LABEL_KINDS.get(label.mode, label.mode)
        if size is not None and label.size != size:
            sizes = "label {} x {}, image {} x {}".format(*label.size, *size)
            problems.append(("sizes differ", f"{entry.id}: {sizes}"))
        if kind == "paletted" and isinstance(entry.label, bytes):
            problems.append(("palette in database", entry.id))
        if kind not in ("paletted", "grey") and self.colours is None:
            problems.append(("colours for classes", f"{entry.id}: {kind}"))
            return kind, None
        counts = np.bincount(label_array(label, self.colours, name).ravel(), minlength=256)
        if self.classes is not None and counts[self.classes : IGNORE_LABEL].any():
            wrong = np.flatnonzero(counts[self.classes : IGNORE_LABEL]) + self.classes
            found = ", ".join(map(str, wrong.tolist()))
            problems.append(("past the classes", f"{entry.id}: {found} (of {self.classes})"))
        comparable = kind == "paletted" and self.colours is None and self.palette is not None
        if comparable and not palette_agrees(label, counts, self.palette):
            problems.append(("another palette", entry.id))
        return kind, counts


def check_entries(make_entries, names=None, colours=None, workers=1, progress=lambda: None):
    """Check all entries; returns their `Summary`.

    `make_entries()` iterates over them (it is called twice); `names` are the classes' names or
    None, `colours` those of RGB labels or None; `progress` is called after each entry.
    """
    summary = Summary(names)

    def take(record):
        summary.add(record)
        progress()

    classes = None if names is None else len(names)
    palette = _first_palette(make_entries())
    make_checker = functools.partial(EntryChecker, classes, colours, palette)
    run_workers(make_checker, make_entries(), workers, take)
    return summary


def _first_palette(entries):
    """The palette of the first label that is there, or None where it has none."""
    for entry in entries:
        if entry.label is not None:
            with contextlib.suppress(InputError):
                label = open_entry(entry.label, entry.id)
                return palette_from_image(label, entry.id) if label.mode == "P" else None
    return None
