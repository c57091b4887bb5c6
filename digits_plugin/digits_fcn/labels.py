"""Label images: class indices from paletted, grey and RGB files; others are explained errors."""

from __future__ import absolute_import, division, unicode_literals

import io

import numpy as np

from . import palette
from .classmap import IGNORE
from .errors import FcnError
from .text import shorten

# 2 GiB of label would be a mistake; Pillow's own limit only warns.
MAX_SIDE = 30000

EXIF_ORIENTATION = 0x0112


def open_image(raw, name):
    """Return the Pillow image in the bytes `raw`, loaded; raises FcnError naming the file."""
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(raw))
        if max(image.size) > MAX_SIDE:
            raise FcnError(
                "%s is %d x %d pixels; the limit is %d per side."
                % (shorten(name), image.size[0], image.size[1], MAX_SIDE)
            )
        image.load()
    except FcnError:
        raise
    except Exception as error:
        raise FcnError("%s cannot be read as an image (%s)." % (shorten(name), shorten(error)))
    return image


def upright(image):
    """Return the loaded Pillow image turned by its EXIF orientation, as every viewer shows it."""
    from PIL import Image

    turns = {
        2: (Image.FLIP_LEFT_RIGHT,),
        3: (Image.ROTATE_180,),
        4: (Image.FLIP_TOP_BOTTOM,),
        5: (Image.TRANSPOSE,),
        6: (Image.ROTATE_270,),
        7: (Image.TRANSPOSE, Image.ROTATE_180),
        8: (Image.ROTATE_90,),
    }
    try:
        # Before Pillow 6 only JPEGs have EXIF data.
        exif = image.getexif() if hasattr(image, "getexif") else image._getexif()
        value = (exif or {}).get(EXIF_ORIENTATION, 1)
    except Exception:  # damaged EXIF data raises almost anything; the pixels are there
        value = 1
    for turn in turns.get(value, ()):
        image = image.transpose(turn)
    return image


def read_label(raw, name, colours=None):
    """Return the class indices and palette of a label file.

    raw: the file's bytes; name: for messages; colours: n x 3 uint8, the colour of each class, for
    RGB labels (None: RGB labels raise). Returns (H x W uint8 with 255 = ignore, 256 x 3 uint8
    palette or None for a grey or RGB file). Raises FcnError for any other kind of image.
    """
    image = open_image(raw, name)
    if getattr(image, "n_frames", 1) > 1:
        raise FcnError(
            "%s holds %d pages; expected one label. Save the page that holds it as a file of its "
            "own." % (shorten(name), image.n_frames)
        )
    bits = _png_bits(raw)
    if image.mode == "L" and bits in (2, 4):
        # Pillow scales them up to 255.
        return np.array(image).astype(np.uint8) // (255 // (2**bits - 1)), None
    if image.mode == "P":
        return np.array(image, np.uint8), palette.of_image(image)
    if image.mode in ("L", "1"):
        return np.array(image).astype(np.uint8), None
    if image.mode == "RGBA":
        low, high = image.getchannel("A").getextrema()
        if low < 255:
            raise FcnError(
                "%s is an RGBA image whose opacity goes from %d to %d; expected class indices "
                "(a paletted or grey PNG) or opaque RGB colours. Save it without transparency."
                % (shorten(name), low, high)
            )
        image = image.convert("RGB")
    if image.mode != "RGB":
        raise FcnError(
            "%s is an image of mode %s; expected a paletted or 8-bit grey PNG of class indices, "
            "or RGB with a colour map." % (shorten(name), image.mode)
        )
    if colours is None:
        raise FcnError(
            "%s is an RGB image, and labels were declared to be class indices. Choose 'RGB "
            "colours' as the kind of labels and give a colour map file, or convert the labels to "
            "paletted PNG." % shorten(name)
        )
    return from_rgb(np.array(image), colours, name), None


def _png_bits(raw):
    """Return the bits per sample of a PNG's bytes, or None for another file."""
    header = bytearray(raw[:25])
    return header[24] if raw[:8] == b"\x89PNG\r\n\x1a\n" and len(header) == 25 else None


def from_rgb(rgb, colours, name):
    """Return the class indices of an RGB label.

    rgb: H x W x 3 uint8; colours: n x 3 uint8. Every colour must exactly match one of
    `colours` (the first, where one is listed twice) or VOC's ignore colour (224, 224, 192), which
    gives 255. Returns H x W uint8; raises FcnError with the first unknown colour and its place.
    """
    weights = np.array([1 << 16, 1 << 8, 1], np.int64)
    known = np.asarray(colours, np.int64).dot(weights)
    ignore = int(np.dot(palette.IGNORE_COLOUR, weights))
    known = np.append(known, ignore)
    meaning = np.append(np.arange(len(known) - 1), IGNORE)
    order = np.argsort(known, kind="mergesort")  # stable, so that the first of equals is found
    known, meaning = known[order], meaning[order]
    packed = rgb.astype(np.int64).dot(weights)
    place = np.minimum(np.searchsorted(known, packed), len(known) - 1)
    wrong = known[place] != packed
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise FcnError(
            "%s has the colour (%d, %d, %d) at x=%d, y=%d (and %d pixels of unlisted colours in "
            "all), which the colour map does not list. Add it, or check whether the file was "
            "saved as JPEG or resized with smoothing."
            % ((shorten(name),) + tuple(rgb[row, column]) + (column, row, int(wrong.sum())))
        )
    return meaning[place].astype(np.uint8)


def check_indices(indices, name, classes):
    """Raise FcnError if a label has an index (other than 255) past the `classes` class names."""
    counts = np.bincount(indices.ravel(), minlength=256)
    past = [i for i in range(classes, IGNORE) if counts[i]]
    if past:
        raise FcnError(
            "%s has class index %d at %d pixels; there are %d class names (0 to %d, and 255 = "
            "ignore). Use a class names file that covers it, or correct the label."
            % (shorten(name), past[0], counts[past[0]], classes, classes - 1)
        )
