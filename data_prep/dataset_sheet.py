"""A contact sheet of a dataset: some images, each beside its label and under it."""

import numpy as np

from caffeformat import InputError
from fcnkit.datasets import default_palette
from fcnkit.images import rgb_array
from fcnkit.labels import label_array
from fcnkit.painting import contact_sheet, legend, overlay, paint
from fcnkit.palette import palette_from_image

from .dataset_check import open_entry


def dataset_sheet(entries, count, title, names=None, colours=None, palette=None, rows=12):
    """Up to `rows` of the `count` entries, evenly spread, as H x W x 3 uint8 RGB.

    Entries that cannot be shown are captioned with the reason. `names` and `colours` as in
    `check_entries`; `palette` paints labels that have none of their own.
    """
    if palette is None:
        palette = default_palette(names) if colours is None else colours
    chosen = set(np.linspace(0, count - 1, min(rows, count)).round().astype(int).tolist())
    pictures, captions = [], []
    for i, entry in enumerate(entries):
        if i in chosen:
            try:
                row, caption = _show(entry, names, colours, palette)
            except InputError as error:
                row, caption = [], str(error)
            pictures.append(row)
            captions.append(f"{title}/{entry.id}: {caption}")
    return contact_sheet(pictures, ["image", "label", "both"], captions)


def _show(entry, names, colours, palette):
    if entry.image is None or entry.label is None:
        raise InputError("there is no image" if entry.image is None else "there is no label")
    image = rgb_array(open_entry(entry.image, entry.id), entry.id)
    label = open_entry(entry.label, entry.id)
    if label.mode == "P" and colours is None:
        palette = palette_from_image(label)
    class_map = label_array(label, colours, entry.id)
    shown = ", ".join(found.name for found in legend(class_map, palette, names or ()))
    pictures = [image, paint(class_map, palette)]
    if class_map.shape == image.shape[:2]:
        pictures.append(overlay(image, class_map, palette))
    return pictures, shown
