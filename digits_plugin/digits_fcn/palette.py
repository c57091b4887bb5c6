"""Palettes: 256 x 3 uint8 arrays, R G B of each class index; 255 is the ignore label."""

from __future__ import absolute_import, division, unicode_literals

import io

import numpy as np

from . import even_palette
from .errors import FcnError
from .text import decode, lines, shorten

IGNORE_COLOUR = (224, 224, 192)


def voc():
    """Return PASCAL VOC's palette, computed by its formula.

    The bits of an index are distributed to R, G, B in turn: the lowest three become the highest
    bits of the three colours, and so on. Index 255 becomes (224, 224, 192).
    """
    index = np.arange(256)
    table = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        table[:, bit % 3] |= (((index >> bit) & 1) << (7 - bit // 3)).astype(np.uint8)
    return table


def even(classes):
    """Return a palette whose first `classes` colours look evenly spaced; the rest is black.

    255 has VOC's ignore colour unless there are 256 classes.
    """
    table = np.zeros((256, 3), np.uint8)
    table[255] = IGNORE_COLOUR
    table[:classes] = even_palette.colours(classes)
    return table


def from_list(values, where="The dataset's palette"):
    """Return the palette in a flat list R G B R G B ..., as DIGITS stores it.

    Entries missing at the end are black. Raises FcnError, naming `where`, for a list of another
    length or range.
    """
    try:
        table = np.asarray(list(values), np.float64).ravel()
    except (TypeError, ValueError):
        raise FcnError("%s is not a list of numbers; expected R G B of each class." % where)
    if table.size == 0 or table.size % 3 or table.size > 768:
        raise FcnError(
            "%s has %d numbers; expected three for each of 1 to 256 classes." % (where, table.size)
        )
    if not ((table >= 0) & (table <= 255) & (table == np.floor(table))).all():
        raise FcnError("%s has values other than whole numbers from 0 to 255." % where)
    out = np.zeros((256, 3), np.uint8)
    out[255] = IGNORE_COLOUR
    out[: table.size // 3] = table.reshape(-1, 3)
    return out


def to_list(table):
    """Return the 256 x 3 palette as DIGITS stores it: a flat list of 768 int."""
    return [int(value) for value in np.asarray(table).ravel()]


def parse_text(text, where):
    """Parse `R G B` per line, separated by commas or blanks; a name may follow.

    Returns (colours: n x 3 uint8, names: list of text or None where any line has none).
    Empty lines and those that begin with # are skipped. Raises FcnError with the line's number.
    """
    colours, names = [], []
    for number, line in enumerate(lines(text), 1):
        parts = line.replace(",", " ").split()
        if not parts or parts[0].startswith("#"):
            continue
        # The line itself is not quoted: the path comes from a form and the file may be anything.
        if len(parts) < 3 or not all(p.isdigit() and int(p) < 256 for p in parts[:3]):
            raise FcnError(
                "Line %d of %s is not a colour; expected three whole numbers from 0 to 255 "
                "(red green blue), the first line for class 0." % (number, shorten(where))
            )
        colours.append([int(p) for p in parts[:3]])
        names.append(" ".join(parts[3:]))
    if not 0 < len(colours) <= 256:
        raise FcnError(
            "%s has %d colours; expected 1 to 256, one per line." % (shorten(where), len(colours))
        )
    return np.array(colours, np.uint8), (names if all(names) else None)


def read(path):
    """Return the palette in a file: text as for `parse_text`, or a paletted image."""
    from PIL import Image

    try:
        with io.open(path, "rb") as f:
            raw = f.read(16 * 1024 * 1024)
    except (IOError, OSError) as error:
        raise FcnError(
            "The palette file %s cannot be read (%s). Enter a path on the server."
            % (shorten(path), error.strerror)
        )
    try:
        image = Image.open(io.BytesIO(raw))
    except Exception:  # not an image of any kind, so text
        colours = parse_text(decode(raw), path)[0]
        return from_list(colours.ravel(), shorten(path))
    if image.mode != "P":
        raise FcnError(
            "%s is an image of mode %s without a palette; expected a paletted PNG or a text file "
            "with R G B on each line." % (shorten(path), image.mode)
        )
    return of_image(image)


def of_image(image):
    """Return the palette of a Pillow image of mode P: 256 x 3 uint8 (missing entries black)."""
    table = np.zeros(768, np.uint8)
    values = (image.getpalette() or [])[:768]
    table[: len(values)] = values
    return table.reshape(256, 3)


def first_difference(one, two, used):
    """Return the first index among `used` whose colours differ between two palettes, or None.

    Only indices that images use are compared: each tool fills the rest of a palette its own way.
    """
    for index in used:
        if not (one[index] == two[index]).all():
            return int(index)
    return None
