"""Label images: class indices from paletted, grey and RGB files; others are explained errors."""

from __future__ import absolute_import, division, unicode_literals

import re

import numpy as np

from . import images, palette
from .classmap import IGNORE
from .errors import FcnError
from .text import shorten, to_text

def read_label(raw, name, colours=None, kind="auto", mapped=False):
    """Return the class indices and palette of a label file.

    raw: the file's bytes; name: for messages; colours: n x 3 uint8, the colour of each class, for
    RGB labels (None: RGB labels raise); kind: "indexed" or "rgb" where the labels were declared to
    be of one kind; mapped: whether `colours` also hold for paletted and grey labels, whose colours
    are then looked up. Returns (H x W uint8 with 255 = ignore, 256 x 3 uint8 palette or None for a
    grey or RGB file, or one that was looked up). Raises FcnError for any other kind of image.
    """
    image = images.opened(raw, name)
    bits = _scaled_bits(image)
    images.load(image, name)
    pages = images.pages_of(raw, image)
    if pages > 1:
        raise FcnError(
            "%s holds %d pages; expected one label. Save the page that holds it as a file of its "
            "own." % (shorten(name), pages)
        )
    if pages == 0:
        raise FcnError(
            "%s has a damaged list of pages; expected one label. Save the label as a file of its "
            "own." % shorten(name)
        )
    if image.format in ("JPEG", "MPO") or images.is_jpeg_in_tiff(image):
        raise FcnError(
            "%s is a JPEG%s, which changes class indices at every border; expected a PNG. Make the "
            "label again as PNG: renaming or converting it does not bring the indices back."
            % (shorten(name), " in a TIFF" if image.format == "TIFF" else "")
        )
    # Pillow before 4 gives the arrays of 1-bit images True with 255 behind it.
    mode, pixels = image.mode, np.array(image.convert("L") if image.mode == "1" else image)
    if mode in ("LA", "RGBA"):
        mode, pixels = mode[:-1], _opaque(pixels, mode, name)
    # Of a paletted file the indices count; which of them are transparent does not matter.
    paletted = mode in ("P", "PA")
    if kind == "rgb" and mode != "RGB":
        raise FcnError(
            "Label '%s' is a %s image, and labels were declared to be RGB colours. Choose 'As "
            "found' or 'Class indices' as the kind of labels."
            % (shorten(name), "paletted" if paletted else "grey"),
            "label_kind",
        )
    if paletted:
        indices = (pixels[..., 0] if mode == "PA" else pixels).astype(np.uint8)
        entries = len(palette.own_values(image)) // 3
        table = palette.of_image(image)
        return _paletted(indices, table, entries, name, colours if mapped else None)
    if mode == "RGB":
        if colours is None:
            raise FcnError(
                "%s is an RGB image, and labels were declared to be class indices. Choose 'RGB "
                "colours' as the kind of labels and give a colour map file, or convert the labels "
                "to paletted PNG." % shorten(name),
                "label_kind",
            )
        return from_rgb(pixels, colours, name), None
    if mode in ("L", "1", "F") or mode.startswith("I"):
        if not mapped and mode == "1" and _is_inverted(image):
            pixels = 255 - pixels
        return _grey(pixels, mode, bits, name, colours if mapped else None), None
    raise FcnError(
        "%s is an image of mode %s; expected a paletted or 8-bit grey PNG of class indices, or RGB "
        "with a colour map." % (shorten(name), mode)
    )


def _opaque(pixels, mode, name):
    """Return the pixels without their alpha band; FcnError if any of them is transparent."""
    alpha = pixels[..., -1]
    if alpha.size and alpha.min() < 255:
        raise FcnError(
            "%s is an %s image whose opacity goes from %d to %d; expected class indices (a "
            "paletted or grey PNG) or opaque RGB colours. Save it without transparency."
            % (shorten(name), mode, alpha.min(), alpha.max())
        )
    return pixels[..., 0] if mode == "LA" else pixels[..., :-1]


def _paletted(indices, table, entries, name, colours):
    """Return the indices and palette, or the looked-up indices where there are `colours`.

    entries: the number of colours that the file's palette has; `table` has 256.
    """
    used = np.unique(indices)
    if colours is None:
        return indices, table
    past = used[(used >= entries) & (used != IGNORE)]
    if past.size:
        row, column = np.argwhere(indices == past[0])[0]
        raise FcnError(
            "%s has the index %d at x=%d, y=%d, past its palette of %d colours, so that the colour "
            "map cannot tell its class. Save the label with a whole palette, or enter no colour "
            "map file if it holds class indices." % (shorten(name), past[0], column, row, entries),
            "colour_map_file",
        )
    # Rows past the last class repeat its colours; only the last one, to ignore, means something.
    inside = used[(used < palette.count(colours)) | (used == IGNORE)]
    inside = inside[inside < len(colours)]
    if len(inside) == len(used) and np.array_equal(table[inside], colours[inside]):
        return indices, None
    if used[-1:] == IGNORE and (table[used[:-1]] == table[IGNORE]).all(axis=1).any():
        raise FcnError(
            "In %s pixels of index 255, which is ignored elsewhere, have the colour of a class in "
            "its palette (%d, %d, %d). Save it with a palette of distinct colours, or enter no "
            "colour map file if it holds class indices."
            % ((shorten(name),) + tuple(table[IGNORE])),
            "colour_map_file",
        )
    return _looked_up(indices, used, table[used], colours, name), None


def _grey(pixels, mode, bits, name, colours):
    """Return the class indices of a grey label: its raw samples, or its shades in `colours`."""
    if colours is None:
        if mode == "1" or (mode == "L" and bits in (2, 4)):
            # Pillow scales them up to 255.
            return pixels.astype(np.uint8) // (255 // (2 ** (1 if mode == "1" else bits) - 1))
        indices = pixels.astype(np.uint8)
        if not np.array_equal(indices, pixels):
            raise FcnError(
                "%s is an image of mode %s with values from %g to %g; expected class indices from "
                "0 to 255 (255 = ignore). Save the class's index at each pixel, in 8 bits."
                % (shorten(name), mode, pixels.min(), pixels.max())
            )
        return indices
    if mode not in ("1", "L"):
        if (pixels % 257).any() or (pixels // 257 > 255).any():
            raise FcnError(
                "%s has values from %g to %g in an image of mode %s; expected grey of 8 bits to "
                "look up in the colour map. Save the labels with 8 bits."
                % (shorten(name), pixels.min(), pixels.max(), mode)
            )
        pixels = pixels // 257
    pixels = pixels.astype(np.uint8)
    used = np.unique(pixels)
    return _looked_up(pixels, used, np.repeat(used[:, np.newaxis], 3, axis=1), colours, name)


def _looked_up(indices, used, shown, colours, name):
    """Return the classes of values that the colour map lists by the colour that they show."""
    codes, (known, meaning) = _codes(shown), _sorted_colours(colours)
    place = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    unknown = np.flatnonzero(known[place] != codes)
    if unknown.size:
        value = used[unknown[0]]
        row, column = np.argwhere(indices == value)[0]
        raise FcnError(
            "%s shows the colour (%d, %d, %d) at x=%d, y=%d (value %d, %d pixels), which the "
            "colour map does not list. Add it, or enter no colour map file if the labels hold "
            "class indices."
            % (
                (shorten(name),)
                + tuple(shown[unknown[0]])
                + (column, row, value, int((indices == value).sum()))
            ),
            "colour_map_file",
        )
    table = np.zeros(256, np.uint8)
    table[used] = meaning[place]
    return table[indices]


def _scaled_bits(image):
    """Return 2 or 4 for an image of such grey samples, which Pillow scales up; None for others.

    The image must not be loaded yet.
    """
    tile = getattr(image, "tile", None)
    if not tile or image.mode != "L":
        return None
    stored = tile[0][3][0] if isinstance(tile[0][3], tuple) else tile[0][3]
    match = re.match("L;([24])", to_text(stored or ""))
    return int(match.group(1)) if match else None


def _is_inverted(image):
    """Return whether tifffile wrote these bits: it calls True black, but True is 1."""
    tags = getattr(image, "tag_v2", None) or {}
    return tags.get(262) == 0 and to_text(tags.get(305) or "").startswith("tifffile")


def from_rgb(rgb, colours, name):
    """Return the class indices of an RGB label.

    rgb: H x W x 3 uint8; colours: n x 3 uint8. Every colour must exactly match one of
    `colours` (the first, where one is listed twice) or VOC's ignore colour (224, 224, 192), which
    gives 255. Returns H x W uint8; raises FcnError with the first unknown colour and its place.
    """
    packed, (known, meaning) = _codes(rgb), _sorted_colours(colours)
    place = np.minimum(np.searchsorted(known, packed), len(known) - 1)
    wrong = known[place] != packed
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise FcnError(
            "%s has the colour (%d, %d, %d) at x=%d, y=%d (and %d pixels of unlisted colours in "
            "all), which the colour map does not list. Add it, or check whether the file was "
            "saved as JPEG or resized with smoothing."
            % ((shorten(name),) + tuple(rgb[row, column]) + (column, row, int(wrong.sum()))),
            "colour_map_file",
        )
    return meaning[place].astype(np.uint8)


def _codes(rgb):
    return np.asarray(rgb, np.int64).dot(np.array([1 << 16, 1 << 8, 1], np.int64))


def _sorted_colours(colours):
    """Return (codes in rising order, the class of each); VOC's ignore colour comes last."""
    known = _codes(np.concatenate((colours, [palette.IGNORE_COLOUR])))
    meaning = np.append(np.arange(len(known) - 1), IGNORE)
    order = np.argsort(known, kind="mergesort")  # stable, so that the first of equals is found
    return known[order], meaning[order]


def check_indices(indices, name, classes):
    """Raise FcnError if a label has an index (other than 255) past the `classes` class names."""
    counts = np.bincount(indices.ravel(), minlength=256)
    past = [i for i in range(classes, IGNORE) if counts[i]]
    if past:
        raise FcnError(
            "%s has class index %d at %d pixels; there are %d class names (0 to %d, and 255 = "
            "ignore). Use a class names file that covers it, or correct the label."
            % (shorten(name), past[0], counts[past[0]], classes, classes - 1),
            "class_names_file",
        )
