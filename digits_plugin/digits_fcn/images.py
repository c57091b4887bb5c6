"""Images as every viewer shows them, or an error that names the file."""

from __future__ import absolute_import, division, unicode_literals

import io
import struct
import zlib

import numpy as np

from .errors import FcnError
from .text import shorten, to_text

# 2 GiB of label would be a mistake; Pillow's own limit only warns.
MAX_SIDE = 30000

MAX_PAGES = 1 << 16

EXIF_ORIENTATION = 0x0112
# Tags of a TIFF
BITS_PER_SAMPLE, COMPRESSION, PHOTOMETRIC, YCBCR_SUBSAMPLING = 258, 259, 262, 530
YCBCR = 6


def open_image(raw, name):
    """Return the Pillow image in the bytes `raw`, loaded; raises FcnError naming the file."""
    image = opened(raw, name)
    load(image, name)
    return image


def load(image, name):
    try:
        image.load()
    except Exception as error:
        raise _unreadable(name, error)


def opened(raw, name):
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
    _keep_bmp_indices(raw, image)
    if _has_deep_colours(image):
        raise _too_deep(name, "RGB")
    return image


def _has_deep_colours(image):
    """Return whether an image that is not loaded yet has colours of more than 8 bits.

    Pillow would keep the upper 8 of them: a label of small values would be all black.
    """
    tile = getattr(image, "tile", None)
    if not tile or image.mode not in ("LA", "RGB", "RGBA", "RGBX"):
        return False
    if image.format == "TIFF":
        bits = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, 8)
        return max(bits if isinstance(bits, tuple) else (bits,)) > 8
    stored = tile[0][3] if isinstance(tile[0][3], tuple) else (tile[0][3],)
    if image.format == "PPM":
        return any(isinstance(value, int) and value > 255 for value in stored)
    return ";16" in to_text(stored[0] or "")


def _check_colours(image, name):
    """Raise FcnError for TIFFs whose colours Pillow does not convert, or takes for others."""
    if image.format != "TIFF":
        return
    tags = getattr(image, "tag_v2", {})
    steps = tags.get(YCBCR_SUBSAMPLING)
    kind = "LAB" if image.mode == "LAB" else None
    # Pillow 12 leaves uncompressed ones to libtiff, too, and calls them RGB.
    plain = tags.get(PHOTOMETRIC) == YCBCR and tags.get(COMPRESSION, 1) == 1
    if image.mode == "YCbCr" or plain:
        kind = None if tuple(steps or ()) == (1, 1) else "YCbCr"
    elif tags.get(PHOTOMETRIC) == YCBCR and steps is None and not is_jpeg_in_tiff(image):
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


def _keep_bmp_indices(raw, image):
    """Make a BMP of mode P where Pillow would take its rows for ones of fewer or more bits.

    It takes a palette of black and white for one bit per pixel, and one of greys for eight.
    """
    from PIL import ImagePalette

    taken_for = {"1": 1, "L": 8}.get(image.mode)
    if image.format != "BMP" or not taken_for or not image.tile or image.tile[0][0] != "raw":
        return
    place = 24 if raw[14:15] == b"\x0c" else 28
    (bits,) = struct.unpack(str("<H"), raw[place : place + 2])
    if bits == taken_for or bits not in (4, 8):
        return
    greys = (0, 255) if taken_for == 1 else range(1 << bits)
    colours = bytes(bytearray(grey for grey in greys for _ in range(3)))
    image.palette = ImagePalette.raw(str("RGB"), colours)
    tile = image.tile[0]
    stored = (str("P;4" if bits == 4 else "P"),) + tuple(tile[3][1:])
    # A named tuple since Pillow 11
    new = tile._replace(args=stored) if hasattr(tile, "_replace") else tile[:3] + (stored,)
    image.tile = [new]
    setattr(image, str("_mode" if hasattr(image, "_mode") else "mode"), str("P"))


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
    image = opened(raw, name)
    _refuse_depth(image, name)
    width, height = image.size
    image.draft("L", (1, 1))
    load(image, name)
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
        raise _too_deep(name, image.mode)


def _too_deep(name, mode):
    return FcnError(
        "%s has more than 8 bits per sample (mode %s), and DIGITS' images and labels in colours "
        "have 8. Scale its values to 0 to 255 and save it with 8 bits." % (shorten(name), mode)
    )


def orientation(image):
    """Return the EXIF orientation of a Pillow image; 1 is upright."""
    try:
        # Before Pillow 6 only JPEGs have EXIF data.
        exif = image.getexif() if hasattr(image, "getexif") else image._getexif()
        return (exif or {}).get(EXIF_ORIENTATION, 1)
    except Exception:  # damaged EXIF data raises almost anything; the pixels are there
        return 1


def pages_of(raw, image):
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


def is_jpeg_in_tiff(image):
    compression = to_text(image.info.get("compression") or "")
    return image.format == "TIFF" and compression.endswith("jpeg")
