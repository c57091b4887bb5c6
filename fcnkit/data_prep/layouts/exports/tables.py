"""Reads labels by the tables and lists of classes that lie beside them."""

from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from caffeformat import FormatError, InputError, reading
from fcnkit.images import (
    IGNORE_LABEL,
    ClassTable,
    label_array,
    load_pixels,
    open_image,
    own_colours,
    pages_of,
    read_label,
    voc_class_names,
    voc_palette,
)

from ..image_sets import is_table
from .class_files import find_classes
from .plan import Decoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from .catalogue import Catalogue, File
    from .class_files import Classes
    from .plan import DataOptions

    Decode = Callable[[bytes, str], NDArray[np.uint8]]

_RGB = {"RGB", "RGBA"}


def label_reader(
    catalogue: Catalogue,
    options: DataOptions,
    classes: Classes,
    labels: Sequence[File],
    otherwise: NDArray[np.uint8] | None = None,
) -> tuple[Decoder, str]:
    """(what reads the content of a label file, how in words).

    `otherwise` are the colours of RGB labels beside which there is no table.

    Where a table lists colours and the labels are grey or paletted, all of them are looked at:
    either every value is a line of the table, or every colour is in it.
    """
    page, table = options.page, classes.table
    if table is None and options.colours is None and options.classes is not None:
        _refuse_another_order(catalogue, options, otherwise is not None)
    if options.colours is not None:
        return Decoder(_by_colours(options.colours, page)), "colours of the colour map"
    if table is None and classes.file is not None and is_table(classes.file.rpartition(": ")[2]):
        # Datumaro paints classes that have no colours in VOC's.
        otherwise = voc_palette()
    if table is None and otherwise is not None:
        if not _modes(catalogue, labels[:1]) & _RGB:
            return Decoder(_of_kinds(page, otherwise), by_index=True), "class indices"
        return Decoder(_of_kinds(page, otherwise), by_index=True), "VOC's colours"
    if table is None:
        return Decoder(_by_colours(None, page), by_index=True), "class indices"
    if table.values is not None:
        return Decoder(_by_values(table, page), by_index=True), f"pixel values of {classes.file}"
    if _holds_indices(catalogue, table, labels, page):
        return Decoder(
            _by_lines(table, page), by_index=True
        ), f"class indices, lines of {classes.file}"
    return Decoder(_by_colours(table_colours(table), page)), f"colours of {classes.file}"


def _refuse_another_order(catalogue: Catalogue, options: DataOptions, are_vocs: bool) -> None:
    """Raise `InputError` if a list beside labels of indices has the given names in another order.

    Such labels hold the places of the list, or, if they `are_vocs`, those of VOC's classes.
    """
    names, vocs = list(options.classes or ()), voc_class_names()
    if are_vocs and names != vocs and set(names) == set(vocs):
        raise InputError(
            "{classes}: has VOC's classes in another order than VOC's labels: pass `voc`, or, if "
            "the labels are in the order of the names, their colours in that order as {colours}",
            options={"classes": None, "colours": None},
        )
    try:
        listed = find_classes(catalogue, dataclasses.replace(options, classes=None))
    except InputError:
        return  # lists that disagree or cannot be read are what names are given for
    if listed.names is not None and names != listed.names and set(names) == set(listed.names):
        raise FormatError(
            str(listed.file),
            f"lists the classes in another order than the class names: {', '.join(listed.names)}. "
            "Labels that hold indices have that order: pass {classes} in it, or, if they have that "
            "of the names, remove the file, or pass their colours in that order as {colours}",
            options={"classes": None, "colours": None},
        )


def table_colours(table: ClassTable) -> NDArray[np.uint8]:
    """The colours of a table as `read_label` takes them; the one to ignore is row 255."""
    colours: NDArray[np.uint8] = np.array(table.colours, np.uint8).reshape(-1, 3)
    if table.ignore is None:
        return colours
    whole: NDArray[np.uint8] = np.repeat(colours[:1], 256, 0)
    whole[: len(colours)], whole[IGNORE_LABEL] = colours, table.ignore
    return whole


def _by_colours(colours: NDArray[np.uint8] | None, page: int | None) -> Decode:
    def decode(data: bytes, name: str) -> NDArray[np.uint8]:
        if name.lower().endswith(".npy"):
            return npy_label(data, name)
        if page is None:
            _refuse_pages(data, name)
            return read_label(data, colours, name)
        return label_array(_page_of(data, page, name), colours, name)

    return decode


def _of_kinds(page: int | None, colours: NDArray[np.uint8]) -> Decode:
    """Reads RGB labels by `colours`, others as indices."""
    as_colours, as_indices = _by_colours(colours, page), _by_colours(None, page)

    def decode(data: bytes, name: str) -> NDArray[np.uint8]:
        if not name.lower().endswith(".npy"):
            with open_image(data, name) as image:
                if image.mode in _RGB:
                    return as_colours(data, name)
        return as_indices(data, name)

    return decode


def _by_values(table: ClassTable, page: int | None) -> Decode:
    read = _by_colours(None, page)
    lookup: NDArray[np.int16] = np.full(256, -1, np.int16)
    lookup[IGNORE_LABEL] = IGNORE_LABEL
    lookup[list(table.values or ())] = np.arange(len(table.names))
    if table.ignore is not None:
        lookup[table.ignore[0]] = IGNORE_LABEL
    return _looked_up(read, lookup)


def _by_lines(table: ClassTable, page: int | None) -> Decode:
    """Values are numbers of lines, of which one may be to ignore."""
    lookup: NDArray[np.int16] = np.full(256, -1, np.int16)
    lookup[: len(table.lines)] = table.lines
    lookup[IGNORE_LABEL] = IGNORE_LABEL
    return _looked_up(_by_colours(None, page), lookup)


def _looked_up(read: Decode, lookup: NDArray[np.int16]) -> Decode:
    def decode(data: bytes, name: str) -> NDArray[np.uint8]:
        values = read(data, name)
        found = lookup[values]
        if found.min(initial=0) < 0:
            value = int(values[found < 0][0])
            raise InputError(
                f"{name}: holds the value {value}, which the table of classes lacks: add it there"
            )
        return found.astype(np.uint8)

    return decode


def _holds_indices(
    catalogue: Catalogue, table: ClassTable, labels: Sequence[File], page: int | None
) -> bool:
    """Whether labels hold line numbers of `table` and not its colours.

    Raises `FormatError` if grey labels may hold either, and it is not the same.
    """
    some = labels[: 1 if labels else 0]
    if _modes(catalogue, some) & _RGB:
        return False
    # Grey or paletted: an image of one class alone does not tell, all together do.
    colours = {*table.colours, *([table.ignore] if table.ignore else [])}
    are_colours, are_lines = True, True
    greys: set[int] = set()
    of_line = [
        table.ignore if index == IGNORE_LABEL else table.colours[index] for index in table.lines
    ]
    are_both, is_ignored_shown_as_class = True, False

    def look(data: bytes) -> None:
        nonlocal are_colours, are_lines, are_both, is_ignored_shown_as_class
        with open_image(data) as image:
            if image.mode not in ("P", "L", "1"):
                are_lines &= image.mode not in _RGB
                are_colours &= image.mode in _RGB
                return
            used = np.unique(np.asarray(load_pixels(image, "label"))).tolist()
            are_lines &= all(value < len(table.lines) or value == IGNORE_LABEL for value in used)
            shown = _shown(image, used)
            greys.update(value for value, *_ in shown if image.mode != "P")
            are_colours &= all(colour in colours for colour in shown)
            at = dict(zip(used, shown))
            ignored = at.pop(IGNORE_LABEL, None)
            if image.mode == "P":
                is_ignored_shown_as_class |= ignored in _shown(image, range(len(of_line)))
            are_both &= all(at[value] == of_line[value] for value in at if value < len(of_line))

    catalogue.extract({file: [look] for file in labels})
    # As a line 255 says nothing, and one line alone is hardly meant: black and white are colours.
    if are_lines and are_colours and len(greys - {IGNORE_LABEL}) > 1:
        _refuse_either(table, sorted(greys - {IGNORE_LABEL}), labels[0])
    # Tools that fill palettes with black show pixels to ignore in the colour of the background.
    return are_lines and (not are_colours or (are_both and is_ignored_shown_as_class))


def _refuse_either(table: ClassTable, greys: Sequence[int], label: File) -> None:
    """Raise `FormatError` if greys are other classes as lines of `table` than as its colours."""
    by_line = [table.lines[value] if value < len(table.lines) else IGNORE_LABEL for value in greys]
    shown = {colour: index for index, colour in enumerate(table.colours)}
    if by_line != [shown.get((value,) * 3, IGNORE_LABEL) for value in greys]:
        raise FormatError(
            str(label),
            f"its values ({', '.join(map(str, greys))}) are both lines and grey values of the "
            "table of classes beside it, and mean other classes: if they are the table's values, "
            "pass it as {colours}; else remove it, and pass {classes} in the order of the indices",
            options={"colours": None, "classes": None},
        )


def _shown(image: Image.Image, values: Iterable[int]) -> list[tuple[int, ...]]:
    """The colours that a grey or paletted image shows for `values`."""
    if image.mode != "P":
        scale = 255 if image.mode == "1" else 1
        return [(int(value) * scale,) * 3 for value in values]
    palette = own_colours(image)
    return [tuple(palette[value : value + 1].ravel().tolist()) for value in values]


def _modes(catalogue: Catalogue, files: Sequence[File]) -> set[str]:
    modes = set()
    for file, data in catalogue.read(files).items():
        if not file.name.lower().endswith(".npy"):
            with open_image(data, str(file)) as image:
                modes.add(image.mode)
    return modes


def _refuse_pages(data: bytes, name: str) -> None:
    """Raise `InputError` for a label of several pages, which an option chooses from."""
    with open_image(data, name) as image:
        pages = pages_of(image)
    if pages > 1:
        raise InputError(
            f"{name}: holds {pages} pages, expected one label: choose the page with {{option}}, or "
            "save it as a file of its own",
            option="page",
            value=pages,
        )


def _page_of(data: bytes, page: int, name: str) -> Image.Image:
    """Page `page`, from 1, of a label file, decoded."""
    with open_image(data, name) as image:
        pages = pages_of(image)
        if not 1 <= page <= pages:
            raise InputError(
                f"{name}: has {pages} pages, not a page {page}: pass another {{option}}",
                option="page",
            )
        image.seek(page - 1)
        single = load_pixels(image, name).copy()
        single.info = dict(image.info)
        return single


def npy_label(data: bytes, name: str) -> NDArray[np.uint8]:
    """H x W class indices of a `.npy` file as labelme's script writes it: -1 is ignored."""
    with reading(name, "cannot be read as an array"):
        values: NDArray[Any] = np.asarray(np.load(io.BytesIO(data), allow_pickle=False))
    if values.ndim != 2 or values.dtype.kind not in "iub":
        raise InputError(
            f"{name}: expected H x W whole numbers, found {values.dtype} of shape {values.shape}"
        )
    indices = values.astype(np.int64)
    indices[indices == -1] = IGNORE_LABEL
    if indices.min(initial=0) < 0 or indices.max(initial=0) > IGNORE_LABEL:
        raise InputError(f"{name}: expected class indices from 0 to 255, or -1 to ignore")
    return indices.astype(np.uint8)
