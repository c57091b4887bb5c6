"""Images and labels: reading them safely, class names, palettes, painting, preprocessing."""

from __future__ import annotations

from .class_lists import yaml_names
from .class_tables import ClassTable, class_table
from .classes import (
    MAX_CLASSES,
    class_names_text,
    names_in,
    read_class_names,
    voc_class_names,
)
from .forms import (
    DEPTHS,
    ImageForm,
    as_rgb,
    channels_first,
    channels_last,
    check_bands,
    count_channels,
    read_image,
    read_rgb,
)
from .labels import label_array, paletted_image, read_label, write_label
from .painting import LegendEntry, contact_sheet, legend, overlay, paint
from .palette import (
    IGNORE_LABEL,
    colour_map_names,
    count_colours,
    distinct_palette,
    format_palette,
    full_palette,
    own_colours,
    palette_agrees,
    palette_from_image,
    read_colour_map,
    read_palette,
    voc_palette,
)
from .pictures import Picture, open_picture
from .png import write_png
from .preprocessing import Preprocessor, parse_mean
from .reading import (
    FORMATS,
    IMAGE_SUFFIXES,
    MAX_PIXELS,
    Resampling,
    load_pixels,
    open_image,
    orientation,
    pages_of,
    rgb_array,
    shown_size,
    source_name,
    upright,
)
from .resampling import resize_image, transform_image

__all__ = [
    "DEPTHS",
    "FORMATS",
    "IGNORE_LABEL",
    "IMAGE_SUFFIXES",
    "MAX_CLASSES",
    "MAX_PIXELS",
    "ClassTable",
    "ImageForm",
    "LegendEntry",
    "Picture",
    "Preprocessor",
    "Resampling",
    "as_rgb",
    "channels_first",
    "channels_last",
    "check_bands",
    "class_names_text",
    "class_table",
    "colour_map_names",
    "contact_sheet",
    "count_channels",
    "count_colours",
    "distinct_palette",
    "format_palette",
    "full_palette",
    "label_array",
    "legend",
    "load_pixels",
    "names_in",
    "open_image",
    "open_picture",
    "orientation",
    "overlay",
    "own_colours",
    "pages_of",
    "paint",
    "palette_agrees",
    "palette_from_image",
    "paletted_image",
    "parse_mean",
    "read_class_names",
    "read_colour_map",
    "read_image",
    "read_label",
    "read_palette",
    "read_rgb",
    "resize_image",
    "rgb_array",
    "shown_size",
    "source_name",
    "transform_image",
    "upright",
    "voc_class_names",
    "voc_palette",
    "write_label",
    "write_png",
    "yaml_names",
]
