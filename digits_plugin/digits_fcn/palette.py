"""Palettes: 256 x 3 uint8 arrays, R G B of each class index; 255 is the ignore label."""

from __future__ import absolute_import, division, unicode_literals

import io
import re

import numpy as np

from . import class_table, even_palette
from .errors import FcnError
from .text import decode, lines, read_bytes, read_text, shorten

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
    """Return a palette of colours that look evenly spaced, whatever the number of `classes`.

    255 has VOC's ignore colour unless there are 256 classes.
    """
    table = even_palette.colours(256)
    if classes < 256:
        table[255] = IGNORE_COLOUR
    return table


def given(table):
    """Return how many colours the palette gives: black ones at its end are taken to be missing."""
    coloured = np.flatnonzero(table[:255].any(axis=1))
    return int(coloured[-1]) + 1 if coloured.size else 1


def filled(table, classes=256):
    """Return the palette with distinct colours in place of those that it lacks of the `classes`.

    Without them all classes past a short palette would be black and look like one. A class has the
    same colour whatever the number of classes.
    """
    count, classes = given(table), min(255, classes)
    out = np.array(table, np.uint8)
    if count < classes:
        out[count:classes] = even_palette.more(out[:count], 255 - count)[: classes - count]
        if not out[255].any():
            out[255] = IGNORE_COLOUR
    return out


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
    Empty lines and those that begin with # are skipped. A colour whose name is `ignore` or
    `__ignore__` is that of pixels to ignore; the colours are then 256, with it as the last one, and
    repeat the first one where there is no class. Tables of annotation tools (see class_table.py)
    are read as well. Raises FcnError with the line's number.
    """
    table = class_table.parse(text, where)
    if table is not None:
        return _with_ignore(table.colours, table.ignore), table.names
    colours, names, ignore = [], [], None
    for number, line in enumerate(lines(text), 1):
        parts = line.replace(",", " ").split()
        if not parts or parts[0].startswith("#"):
            continue
        # The line itself is not quoted: the path comes from a form and the file may be anything.
        if len(parts) < 3 or not all(
            re.match("[0-9]{1,3}$", p) and int(p) < 256 for p in parts[:3]
        ):
            raise FcnError(
                "Line %d of %s is not a colour; expected three whole numbers from 0 to 255 "
                "(red green blue), the first line for class 0." % (number, shorten(where))
            )
        colour = [int(p) for p in parts[:3]]
        if len(parts) == 4 and parts[3].lower() in class_table.IGNORE_NAMES:
            if ignore is not None:
                raise FcnError(
                    "Line %d of %s is a second colour to ignore; expected one."
                    % (number, shorten(where))
                )
            ignore = colour
            continue
        colours.append(colour)
        names.append(" ".join(parts[3:]))
    if not 0 < len(colours) <= 256 - (ignore is not None):
        raise FcnError(
            "%s has %d colours; expected 1 to 256, one per line." % (shorten(where), len(colours))
        )
    _refuse_indices(colours, names, where)
    return _with_ignore(colours, ignore), (names if all(names) else None)


def _refuse_indices(colours, names, where):
    """Raise FcnError if lines of four numbers seem to begin with the class's index.

    Not where the other three are the same colours, nor where all lines end in 255 and are greys or
    would be one colour twice: that is opacity.
    """
    if len(colours) < 2 or [colour[0] for colour in colours] != list(range(len(colours))):
        return
    fourth = [name.partition(" ")[0] for name in names]
    if not all(re.match("[0-9]{1,3}$", word) and int(word) < 256 for word in fourth):
        return
    behind = [tuple(colour[1:]) + (int(word),) for colour, word in zip(colours, fourth)]
    are_greys = all(len(set(colour)) == 1 for colour in colours)
    are_opaque = set(map(int, fourth)) == {255} and (are_greys or len(set(behind)) < len(behind))
    if behind != [tuple(colour) for colour in colours] and not are_opaque:
        raise FcnError(
            "The lines of %s hold four numbers, of which the first seems to be the class's index; "
            "leave it out, so that red green blue is left, or the last one, if the first is red."
            % shorten(where)
        )


def _with_ignore(colours, ignore):
    colours = np.array(colours, np.uint8)
    if ignore is None:
        return colours
    whole = np.repeat(colours[:1], 256, axis=0)
    whole[: len(colours)], whole[255] = colours, ignore
    return whole


def colour_map(path):
    """Return (colours, names or None) of a colour map file, as `parse_text`.

    `voc` means PASCAL VOC's 21 colours, `binary` black and white.
    """
    if path == "voc":
        return voc()[:21], None
    if path == "binary":
        return np.array([[0, 0, 0], [255, 255, 255]], np.uint8), None
    return parse_text(read_text(path), path)


def count(colours):
    """Return the number of classes of `parse_text`'s colours."""
    if len(colours) < 256:
        return len(colours)
    return int(np.flatnonzero((colours[:255] != colours[0]).any(axis=1))[-1:].sum()) + 1


def of_colours(colours):
    """Return the palette, 256 x 3 uint8, of `parse_text`'s colours."""
    table = from_list(colours[: count(colours)].ravel())
    if len(colours) == 256:
        table[255] = colours[255]
    return table


def read(path):
    """Return the palette in a file: text as for `parse_text`, or a paletted image."""
    from PIL import Image

    if not path:
        raise FcnError("No palette file was entered.", "palette_file")
    raw = read_bytes(path)
    try:
        image = Image.open(io.BytesIO(raw))
    except Exception:  # not an image of any kind, so text
        return of_colours(parse_text(decode(raw), path)[0])
    if image.mode != "P":
        raise FcnError(
            "%s is an image of mode %s without a palette; expected a paletted PNG or a text file "
            "with R G B on each line." % (shorten(path), image.mode)
        )
    return of_image(image)


def own_values(image):
    """Return R G B of each colour that the palette of a paletted image has, in one list."""
    values = list(image.getpalette() or [])[:768]
    stored = getattr(image.palette, "palette", None)
    if len(values) == 768 and isinstance(stored, (bytes, bytearray)) and stored:
        # Before Pillow 9.1 the entries that the file lacks are shades of grey.
        is_bmp = image.format in ("BMP", "DIB") and _are_of_bmp(stored, values)
        values = values[: len(stored) // (4 if is_bmp else 3) * 3]
    return values


def _are_of_bmp(stored, values):
    """Return whether `stored` are the colours `values` as a BMP holds them: B, G, R, 0."""
    if len(stored) % 4:
        return False
    entries = np.frombuffer(bytes(stored), np.uint8).reshape(-1, 4)[:256]
    return np.array_equal(entries[:, 2::-1], np.reshape(values, (-1, 3))[: len(entries)])


def of_image(image):
    """Return the palette of a Pillow image of mode P: 256 x 3 uint8.

    Missing entries are black, and VOC's ignore colour at 255.
    """
    values = own_values(image)
    table = np.zeros((256, 3), np.uint8)
    table[255] = IGNORE_COLOUR
    table[: len(values) // 3] = np.reshape(values, (-1, 3))
    return table


def first_difference(one, two, used):
    """Return the first index among `used` whose colours differ between two palettes, or None.

    Only indices that images use are compared: each tool fills the rest of a palette its own way.
    """
    for index in used:
        if not (one[index] == two[index]).all():
            return int(index)
    return None
