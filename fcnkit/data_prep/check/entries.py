"""Checks every image and label of a dataset."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from caffeformat import InputError, datum_to_array, open_database, parse_datum
from fcnkit.datasets import image_files, unread_kind, unread_pictures
from fcnkit.images import (
    IGNORE_LABEL,
    UNREAD_SUFFIXES,
    is_ade20k,
    label_array,
    load_pixels,
    open_image,
    palette_agrees,
    palette_from_image,
    shows_colours,
)
from fcnkit.progress import Progress

from ..findings import doubtful_pixels, past_advice, size_advice
from ..parallel import run_workers
from .images import check_image
from .summary import Record, Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from fcnkit.images import ImageForm

    from .table import ImageTable


class Entry(NamedTuple):
    """An image and its label, each a path, a serialized Datum (bytes), or None if missing."""

    id: str
    image: str | bytes | None
    label: str | bytes | None


_LABEL_KINDS = {
    "P": "paletted",
    "L": "grey",
    "1": "grey",
    "I": "grey",
    "I;16": "grey",
    "LA": "grey",
    "F": "grey",
}


def folder_entries(images: str, labels: str) -> Iterator[Entry]:
    """The entries of two folders, sorted by id, including images and labels without partner."""
    image_paths, label_paths = image_files(images), image_files(labels)
    # Kinds that are not read stand in, so that they are not called missing.
    for paths, others, folder in (
        (image_paths, label_paths, images),
        (label_paths, image_paths, labels),
    ):
        if not set(others).issubset(paths):
            unread = unread_pictures(folder)
            paths.update({id_: unread[id_] for id_ in others if id_ in unread.keys() - paths})
    for id_ in sorted(set(image_paths) | set(label_paths)):
        yield Entry(id_, image_paths.get(id_), label_paths.get(id_))


def database_entries(
    features: str, labels: str, ids: Sequence[str] | None = None
) -> Iterator[Entry]:
    """The entries of two databases, in the order of their keys; `ids` are names instead of keys."""
    with open_database(features) as images, open_database(labels) as classes:
        keys = sorted(set(images.keys()) | set(classes.keys()))
        if ids is None or len(ids) != len(keys):
            ids = [key.decode("utf-8", "replace") for key in keys]
        for key, id_ in zip(keys, ids):
            yield Entry(id_, images.get(key), classes.get(key))


def open_entry(source: str | bytes, name: str) -> Image.Image:
    """Decode a `PIL.Image` from an entry's path or Datum; `InputError` if it is damaged."""
    if not isinstance(source, bytes):
        return load_pixels(open_image(source, source), source)
    datum = parse_datum(source, name)
    if datum.encoded:
        return load_pixels(open_image(datum.data, name), name)
    array = datum_to_array(datum)
    if array.dtype != np.uint8 or len(array) not in (1, 3):
        raise InputError(f"{name}: expected bytes in 1 or 3 channels, found {array.shape} values")
    if len(array) == 1:
        return Image.fromarray(array[0])
    return Image.fromarray(np.ascontiguousarray(array[::-1].transpose(1, 2, 0)))


def _check_kind(source: str | bytes) -> None:
    if isinstance(source, str) and source.lower().endswith(UNREAD_SUFFIXES):
        raise unread_kind(source)


class EntryChecker:
    """Called with an `Entry`, returns its `Record`.

    `classes` is the number of classes, `colours` the colours of RGB labels, `palette` the expected
    palette of paletted labels; each is None if unknown. Images have to be such that they can have
    the `form`.
    """

    def __init__(
        self,
        classes: int | None = None,
        colours: NDArray[np.uint8] | None = None,
        palette: NDArray[np.uint8] | None = None,
        form: ImageForm | None = None,
    ) -> None:
        self.classes, self.colours, self.palette, self.form = classes, colours, palette, form

    def __call__(self, entry: Entry) -> Record:
        problems: list[tuple[str, str]] = []
        image = label = kind = counts = None
        if entry.image is None:
            problems.append(("label without image", entry.id))
        else:
            try:
                _check_kind(entry.image)
                image = check_image(entry.image, f"image {entry.id}", self.form)
                if image.misfit is not None:
                    problems.append(("unfit", image.misfit))
            except InputError as error:
                problems.append(("unreadable", str(error)))
        if entry.label is None:
            problems.append(("image without label", entry.id))
        else:
            try:
                _check_kind(entry.label)
                label = open_entry(entry.label, f"label {entry.id}")
                is_stored = isinstance(entry.label, bytes)
                kind, counts = self._label(entry.id, label, is_stored, problems)
            except InputError as error:
                problems.append(("unreadable", str(error)))
        if image is not None and label is not None and label.size != image.size:
            detail = "label {} x {}, image {} x {}".format(*label.size, *image.size)
            detail += size_advice(label.size, image.size, image.turned, image.form.channels or 0)
            problems.append(("sizes differ", f"{entry.id}: {detail}"))
        doubtful = None if label is None else doubtful_pixels(label)
        size, form = (None, None) if image is None else (image.size, image.form)
        turned = image is not None and image.turned != 1
        return Record(entry.id, size, kind, counts, problems, doubtful, turned, form)

    def summary(self) -> None:
        """Nothing: the records are complete."""

    def _label(
        self, id_: str, label: Image.Image, is_stored: bool, problems: list[tuple[str, str]]
    ) -> tuple[str, NDArray[np.int64] | None]:
        """(kind, pixels of each index) of a decoded label; appends to `problems`.

        `is_stored` says that it comes from a database.
        """
        name = f"label {id_}"
        kind = _LABEL_KINDS.get(label.mode, label.mode)
        if kind == "paletted" and is_stored:
            problems.append(("palette in database", id_))
        if shows_colours(label) and self.colours is None:
            problem = "the whole ADE20K" if is_ade20k(label, name) else "colours for classes"
            problems.append((problem, f"{id_}: {kind}"))
            return kind, None
        counts = np.bincount(label_array(label, self.colours, name).ravel(), minlength=256)
        if self.classes is not None and counts[self.classes : IGNORE_LABEL].any():
            wrong = np.flatnonzero(counts[self.classes : IGNORE_LABEL]) + self.classes
            found = ", ".join(map(str, wrong.tolist()))
            advice = past_advice(int(wrong[0]), self.classes)
            problems.append(("past the classes", f"{id_}: {found} (of {self.classes}){advice}"))
        palette = self.palette if kind == "paletted" and self.colours is None else None
        if palette is not None and not palette_agrees(label, counts, palette):
            problems.append(("another palette", id_))
        return kind, counts


def check_entries(
    make_entries: Callable[[], Iterable[Entry]],
    names: Sequence[str] | None = None,
    colours: NDArray[np.uint8] | None = None,
    workers: int = 1,
    progress: Progress | None = None,
    title: str = "",
    table: ImageTable | None = None,
    form: ImageForm | None = None,
) -> Summary:
    """Check all entries; returns their `Summary`.

    `make_entries()` iterates over them (it is called twice); `names` are the classes' names,
    `colours` those of RGB labels; `progress` counts the entries of `title`; `table` gets a line per
    entry, as images of the part `title`; `form` is what images have to fit.
    """
    palette, are_stored = _first_facts(make_entries())
    summary, progress = Summary(names, are_stored), progress or Progress()

    def take(record: Record) -> None:
        summary.add(record)
        if table is not None:
            table.add(title, record)
        progress.step(summary.entries, what=title)

    classes = None if names is None else len(names)
    make_checker = functools.partial(EntryChecker, classes, colours, palette, form)
    run_workers(make_checker, make_entries(), workers, take)
    return summary


def _first_facts(entries: Iterable[Entry]) -> tuple[NDArray[np.uint8] | None, bool]:
    """(palette of the first label, None if it has none; whether the entries are a database's)."""
    for entry in entries:
        if entry.label is not None:
            palette = None
            with contextlib.suppress(InputError):
                label = open_entry(entry.label, entry.id)
                palette = palette_from_image(label, entry.id) if label.mode == "P" else None
            return palette, isinstance(entry.label, bytes)
    return None, False
