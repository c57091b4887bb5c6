"""Images and labels: reading them safely, class names, palettes, painting, preprocessing."""

from __future__ import annotations

from .class_tables import ClassTable, class_table
from .classes import MAX_CLASSES, names_in, read_class_names, voc_class_names
from .labels import label_array, paletted_image, read_label, write_label
from .painting import LegendEntry, contact_sheet, legend, overlay, paint
from .palette import (
    IGNORE_LABEL,
    count_colours,
    distinct_palette,
    format_palette,
    full_palette,
    palette_agrees,
    palette_from_image,
    read_colour_map,
    read_palette,
    voc_palette,
)
from .preprocessing import Preprocessor, parse_mean
from .reading import (
    IMAGE_SUFFIXES,
    MAX_PIXELS,
    Resampling,
    load_pixels,
    open_image,
    orientation,
    read_rgb,
    rgb_array,
    shown_size,
    source_name,
    upright,
)

__all__ = [
    "IGNORE_LABEL",
    "IMAGE_SUFFIXES",
    "MAX_CLASSES",
    "MAX_PIXELS",
    "ClassTable",
    "LegendEntry",
    "Preprocessor",
    "Resampling",
    "class_table",
    "contact_sheet",
    "count_colours",
    "distinct_palette",
    "format_palette",
    "full_palette",
    "label_array",
    "legend",
    "load_pixels",
    "names_in",
    "open_image",
    "orientation",
    "overlay",
    "paint",
    "palette_agrees",
    "palette_from_image",
    "paletted_image",
    "parse_mean",
    "read_class_names",
    "read_colour_map",
    "read_label",
    "read_palette",
    "read_rgb",
    "rgb_array",
    "shown_size",
    "source_name",
    "upright",
    "voc_class_names",
    "voc_palette",
    "write_label",
]
