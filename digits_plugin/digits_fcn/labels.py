"""Label images: class indices from paletted, grey and RGB files; others are explained errors."""

from __future__ import absolute_import, division, unicode_literals

import io
import re
import struct
import zlib

import numpy as np

from . import palette
from .classmap import IGNORE
from .errors import FcnError
from .text import shorten, to_text

# 2 GiB of label would be a mistake; Pillow's own limit only warns.
MAX_SIDE = 30000

MAX_PAGES = 1 << 16

EXIF_ORIENTATION = 0x0112
PHOTOMETRIC, YCBCR_SUBSAMPLING = 262, 530  # tags of a TIFF
YCBCR = 6


def open_image(raw, name):
    """Return the Pillow image in the bytes `raw`, loaded; raises FcnError naming the file."""
    image = _opened(raw, name)
    _load(image, name)
    return image


def _load(image, name):
    try:
        image.load()
    except Exception as error:
        raise _unreadable(name, error)


def _opened(raw, name):
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(raw))
    except Exception as error:
        raise _unreadable(name, error)
    if max(image.size) > MAX_SIDE:
        raise FcnError(
            "%s is %d x %d pixels; the limit is %d per side."
            % (shorten(name), image.size[0], image.size[1], MAX_SIDE)
        )
    _check_sums(raw, name)
    _check_colours(image, name)
    return image


def _check_colours(image, name):
    """Raise FcnError for TIFFs whose colours Pillow does not convert, or takes for others."""
    if image.format != "TIFF":
        return
    tags = getattr(image, "tag_v2", {})
    steps = tags.get(YCBCR_SUBSAMPLING)
    kind = "LAB" if image.mode == "LAB" else None
    if image.mode == "YCbCr":
        kind = None if tuple(steps or ()) == (1, 1) else "YCbCr"
    elif tags.get(PHOTOMETRIC) == YCBCR and steps is None and not _is_jpeg_in_tiff(image):
        # Left to libtiff, which takes it for one colour per 2 x 2 pixels; Pillow 8 wrote other.
        kind = "YCbCr"
    if kind:
        raise FcnError(
            "%s stores %s colours, expected grey or RGB. Convert it to RGB in the program that "
            "made it." % (shorten(name), kind)
        )


def _check_sums(raw, name):
    """Raise FcnError where the pixels of a PNG are not those of its checksums.

    libpng checks them, Pillow does not: a changed byte of a label would be another class.
    """
    place = 8 if raw.startswith(b"\x89PNG\r\n\x1a\n") else len(raw)
    while place + 12 <= len(raw):
        size, kind = struct.unpack(str(">I4s"), raw[place : place + 8])
        end = place + 8 + size
        if kind == b"IDAT" and end + 4 <= len(raw):
            (stated,) = struct.unpack(str(">I"), raw[end : end + 4])
            if zlib.crc32(raw[place + 4 : end]) & 0xFFFFFFFF != stated:
                raise FcnError(
                    "%s is damaged (the checksum of its pixels is not theirs)." % shorten(name)
                )
        place = end + 4


def _unreadable(name, error):
    # Pillow names the buffer that it was given in place of a file.
    unknown = "cannot identify image file" in to_text(error)
    words = "it is of no known kind, or damaged" if unknown else shorten(error)
    return FcnError("%s cannot be read as an image (%s)." % (shorten(name), words))


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
    for turn in turns.get(orientation(image), ()):
        image = image.transpose(turn)
    return image


def upright_size(raw, name):
    """Return the (height, width) that `upright` would give.

    The file is read to its end, so that a truncated one is found, but a JPEG only coarsely.
    """
    image = _opened(raw, name)
    _refuse_depth(image, name)
    width, height = image.size
    image.draft("L", (1, 1))
    _load(image, name)
    if image.format == "TIFF":
        width, height = image.size  # Pillow has turned it, and before 9 says so only now
    return (width, height) if orientation(image) in (5, 6, 7, 8) else (height, width)


def as_rgb(raw, name):
    """Return the image in the bytes `raw` as every viewer shows it, H x W x 3 uint8 RGB."""
    image = upright(open_image(raw, name))
    _refuse_depth(image, name)
    return np.array(image.convert("RGB"))


def _refuse_depth(image, name):
    if image.mode == "F" or image.mode.startswith("I"):
        # Pillow would cut the values off at 255.
        raise FcnError(
            "%s has more than 8 bits per sample (mode %s), and DIGITS' images have 8. Scale its "
            "values to 0 to 255 and save it with 8 bits." % (shorten(name), image.mode)
        )


def orientation(image):
    """Return the EXIF orientation of a Pillow image; 1 is upright."""
    try:
        # Before Pillow 6 only JPEGs have EXIF data.
        exif = image.getexif() if hasattr(image, "getexif") else image._getexif()
        return (exif or {}).get(EXIF_ORIENTATION, 1)
    except Exception:  # damaged EXIF data raises almost anything; the pixels are there
        return 1


def _pages(raw, image):
    """Return the number of pages of the image whose bytes are `raw`; 0 if their list is damaged.

    Of a TIFF they are counted here, up to 65536: Pillow before 9 follows a list of pages that leads
    back to one of them, or that ends in the middle, for ever.
    """
    # Pillow reads TIFFs, too, that have the bytes of their number, 42, in the other order.
    is_tiff = bytes(raw[:4]) in (b"II*\0", b"MM\0*", b"MM*\0", b"II\0*")
    if not is_tiff:
        try:
            return getattr(image, "n_frames", 1)
        except Exception:  # damaged files raise almost anything
            return 0
    order = "<" if raw[:2] == b"II" else ">"
    passed, place = set(), 4
    while place + 4 <= len(raw):
        (page,) = struct.unpack(str(order + "I"), raw[place : place + 4])
        if page == 0 or page in passed or len(passed) == MAX_PAGES:
            return len(passed)
        if page + 2 > len(raw):
            break
        passed.add(page)
        (entries,) = struct.unpack(str(order + "H"), raw[page : page + 2])
        place = page + 2 + 12 * entries
    return 0


def read_label(raw, name, colours=None, kind="auto", mapped=False):
    """Return the class indices and palette of a label file.

    raw: the file's bytes; name: for messages; colours: n x 3 uint8, the colour of each class, for
    RGB labels (None: RGB labels raise); kind: "indexed" or "rgb" where the labels were declared to
    be of one kind; mapped: whether `colours` also hold for paletted and grey labels, whose colours
    are then looked up. Returns (H x W uint8 with 255 = ignore, 256 x 3 uint8 palette or None for a
    grey or RGB file, or one that was looked up). Raises FcnError for any other kind of image.
    """
    image = _opened(raw, name)
    bits = _scaled_bits(image)
    _load(image, name)
    pages = _pages(raw, image)
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
    if image.format in ("JPEG", "MPO") or _is_jpeg_in_tiff(image):
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


def _is_jpeg_in_tiff(image):
    compression = to_text(image.info.get("compression") or "")
    return image.format == "TIFF" and compression.endswith("jpeg")


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
