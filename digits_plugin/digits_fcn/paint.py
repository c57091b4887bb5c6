"""Class maps painted in colour, as the page's script paints them.

The rule for a pixel of class c at border distance d (see outline.py) is one table lookup:
outlined where 1 <= d <= outline (opacity 1), filled elsewhere (opacity `fill`); a pixel of the
background class gets black at opacity `mask` and no outline.
"""

from __future__ import absolute_import, division, unicode_literals

import numpy as np

from .classmap import IGNORE
from .outline import LEVELS, border_distance


def paint(indices, palette, fill=0.5, outline=2, mask=0.0, background=None):
    """Return the colour and opacity of each pixel.

    indices: H x W uint8; palette: 256 x 3 uint8; fill, mask: 0 to 1; outline: 0 to 6 pixels;
    background: the class to leave unpainted, or None. Returns H x W x 4 uint8, RGBA.
    """
    outline = max(0, min(LEVELS, int(outline)))
    table = np.zeros((256, 4), np.uint8)
    table[:, :3] = palette
    table[:, 3] = int(round(255 * fill))
    if background is not None:
        table[background] = (0, 0, 0, int(round(255 * mask)))
    # One 32-bit word per pixel: a lookup in a table of words is several times faster than one in
    # a table of rows.
    words = np.ascontiguousarray(table).view(np.uint32)[:, 0]
    rgba = words[indices].view(np.uint8).reshape(indices.shape + (4,))
    if outline:
        line = drawn_border(indices, outline, background)
        np.maximum(rgba[:, :, 3], line, out=rgba[:, :, 3])
    return rgba


def drawn_border(indices, outline, background=None):
    """Return H x W uint8: 255 where an outline `outline` pixels wide is drawn, 0 elsewhere."""
    line = (border_distance(indices, outline) > 0).view(np.uint8) * np.uint8(255)
    hidden = np.zeros(256, np.uint8)
    hidden[IGNORE] = 255
    if background is not None:
        hidden[background] = 255
    return line & ~hidden[indices]


def overlay(image, indices, palette, fill=0.5, outline=2, mask=0.0, background=None):
    """Return the class map painted over the image.

    image: H x W x 3 uint8 of the map's size; the rest as for `paint`. Returns H x W x 3 uint8.
    """
    rgba = paint(indices, palette, fill, outline, mask, background)
    alpha = rgba[:, :, 3:].astype(np.uint32)
    mixed = rgba[:, :, :3] * alpha + image * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


def to_rgb(data, size=None):
    """Return a network's input as a picture: H x W x 3 uint8.

    data: H x W or H x W x C of any real type. uint8 is kept; other types are stretched to 0..255
    if they exceed that range. A fourth channel is dropped. size: (height, width) to scale to,
    or None. Returns None for data that is not a picture.
    """
    from PIL import Image

    array = np.asarray(data)
    if array.ndim == 3 and array.shape[2] in (1, 2):
        array = array[:, :, 0]
    if array.ndim == 2:
        array = np.repeat(array[:, :, np.newaxis], 3, axis=2)
    if array.ndim != 3 or array.shape[2] not in (3, 4) or not array.size:
        return None
    array = array[:, :, :3]
    if array.dtype != np.uint8:
        array = np.nan_to_num(np.asarray(array, np.float64))
        low, high = array.min(), array.max()
        if low < 0 or high > 255:
            array = (array - low) * (255.0 / max(high - low, 1e-12))
        array = np.clip(array + 0.5, 0, 255).astype(np.uint8)
    array = np.ascontiguousarray(array)
    if size is not None and array.shape[:2] != tuple(size):
        picture = Image.fromarray(array).resize((size[1], size[0]), Image.BILINEAR)
        array = np.array(picture)
    return array
