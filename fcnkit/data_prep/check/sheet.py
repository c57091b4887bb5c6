"""Draws a contact sheet of a dataset: some images, their labels, and both overlaid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffeformat import InputError
from fcnkit.datasets import default_palette
from fcnkit.images import (
    contact_sheet,
    full_palette,
    label_array,
    legend,
    overlay,
    paint,
    palette_from_image,
)

from .entries import open_entry
from .images import show_image

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from .entries import Entry


def dataset_sheet(
    entries: Iterable[Entry],
    count: int,
    title: str,
    names: Sequence[str] | None = None,
    colours: NDArray[np.uint8] | None = None,
    palette: NDArray[np.uint8] | None = None,
    rows: int = 12,
    bands: Sequence[int] | None = None,
) -> NDArray[np.uint8]:
    """Draw up to `rows` of the `count` entries, evenly spread, as H x W x 3 uint8 RGB.

    Entries that cannot be shown are captioned with the reason. `names` and `colours` as in
    `check_entries`; `palette` paints labels that have none of their own; `bands` as in `as_rgb`.
    """
    if palette is None:
        palette = default_palette(names) if colours is None else full_palette(colours)
    chosen = set(np.linspace(0, count - 1, min(rows, count)).round().astype(int).tolist())
    pictures, captions = [], []
    for i, entry in enumerate(entries):
        if i in chosen:
            try:
                row, caption = _show(entry, names, colours, palette, bands)
            except InputError as error:
                row, caption = [], str(error)
            pictures.append(row)
            captions.append(f"{title}/{entry.id}: {caption}")
    return contact_sheet(pictures, ["image", "label", "both"], captions)


def _show(
    entry: Entry,
    names: Sequence[str] | None,
    colours: NDArray[np.uint8] | None,
    palette: NDArray[np.uint8],
    bands: Sequence[int] | None,
) -> tuple[list[NDArray[np.uint8]], str]:
    """(pictures, names of the classes shown) of one entry."""
    if entry.image is None or entry.label is None:
        raise InputError("there is no image" if entry.image is None else "there is no label")
    image = show_image(entry.image, entry.id, bands)
    label = open_entry(entry.label, entry.id)
    if label.mode == "P" and colours is None:
        palette = palette_from_image(label)
    class_map = label_array(label, colours, entry.id)
    shown = ", ".join(found.name for found in legend(class_map, palette, names or ()))
    pictures = [image, paint(class_map, palette)]
    if class_map.shape == image.shape[:2]:
        pictures.append(overlay(image, class_map, palette))
    return pictures, shown
