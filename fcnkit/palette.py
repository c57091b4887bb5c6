"""Palettes: 256 x 3 uint8 RGB, row i the colour of class i.

Row 255 is the colour of ignored pixels. A palette read from a file with fewer colours, or made for
fewer classes, is black in between and has VOC's ignore colour (224, 224, 192) in row 255.
"""

import functools
import os

import numpy as np
from PIL import Image

from caffeformat import FormatError, InputError

from .images import open_image

IGNORE_LABEL = 255
IGNORE_COLOUR = (224, 224, 192)


def voc_palette():
    """PASCAL VOC's colour map (as the development kit's VOCcolormap makes it), 256 x 3 uint8.

    Bits 0, 1, 2 of a class index go to the highest free bit of red, green and blue; bits 3, 4, 5 to
    the next one down, and so on.
    """
    index = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for step in range(8):
        for channel in range(3):
            bit = (index >> (3 * step + channel)) & 1
            palette[:, channel] |= (bit << (7 - step)).astype(np.uint8)
    return palette


def full_palette(colours):
    """Colours 0..n-1 (n x 3, n <= 256) as a palette of 256 rows with an ignore colour."""
    colours = np.asarray(colours, np.uint8).reshape(-1, 3)
    palette = np.zeros((256, 3), np.uint8)
    palette[IGNORE_LABEL] = IGNORE_COLOUR
    palette[: len(colours)] = colours
    return palette


def read_palette(path):
    """A palette from a text file (`R G B` a line, the first line class 0) or a paletted image.

    `voc` is VOC's, without a file.

    In text, values may be separated by blanks or commas, words after the three numbers are left
    aside, and so are empty lines and lines that begin with `#`.
    Raises `InputError` where there is no such file, `FormatError` with the line otherwise.
    """
    if path == "voc":
        return voc_palette()
    path = os.fspath(path)
    try:
        with open(path, "rb") as file:
            data = file.read(1 << 20)
    except OSError as error:
        raise InputError(f"{path}: cannot read the palette: {error.strerror}") from error
    # PNG and GIF are what paletted images come as; their first bytes are no text.
    if data[:4] in (b"\x89PNG", b"GIF8"):
        return palette_from_image(open_image(path), path)
    colours = []
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        words = line.replace(",", " ").split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 3 or not all(w.isdecimal() and int(w) < 256 for w in words[:3]):
            raise FormatError(
                path, f"expected a colour as three numbers 0..255, found {line[:60]!r}", number
            )
        colours.append([int(word) for word in words[:3]])
    if not 1 <= len(colours) <= 256:
        raise FormatError(path, f"expected 1 to 256 colours, one a line, found {len(colours)}")
    return full_palette(colours)


def format_palette(palette):
    """A palette as the text that `read_palette` reads: 256 lines of `R G B`."""
    return "".join("{} {} {}\n".format(*row) for row in np.asarray(palette).tolist())


def palette_from_image(image, source="image"):
    """The palette of a paletted image (a `PIL.Image` or a path).

    Raises `InputError` where the image has none.
    """
    if not isinstance(image, Image.Image):
        image, source = open_image(image), image
    if image.mode != "P":
        raise InputError(
            f"{source}: expected a paletted image, found mode {image.mode}: give a palette as a "
            f"text file with `R G B` a line instead"
        )
    colours = image.getpalette()
    # Older versions of Pillow give 256 colours whatever the file holds, padded with greys.
    return full_palette(np.array(colours[: 3 * 256], np.uint8))


def palette_agrees(label, class_counts, palette):
    """Whether a paletted label (`PIL.Image`) has `palette`'s colours at all indices that it uses.

    `class_counts` are its pixels of each index (256); the ignore label may have any colour.
    """
    own = np.array(label.getpalette(), np.uint8).reshape(-1, 3)
    used = np.flatnonzero(class_counts[: min(len(own), IGNORE_LABEL)])
    return np.array_equal(own[used], palette[used])


@functools.cache
def _distinct_colours(n):
    """`n` colours, each as far as can be from those before it, in OKLab; the first is black."""
    levels = np.linspace(0, 255, 17).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(-1, 3)
    lab = _oklab(grid)
    chosen = [0]
    distance = np.linalg.norm(lab - lab[0], axis=1)
    # The ignore colour is taken too, though it is no class's.
    ignore = _oklab(np.array([IGNORE_COLOUR], np.uint8))[0]
    distance = np.minimum(distance, np.linalg.norm(lab - ignore, axis=1))
    while len(chosen) < n:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(lab - lab[chosen[-1]], axis=1))
    return grid[chosen]


def distinct_palette(n):
    """A palette of `n` classes (1 to 256) whose colours are far apart to the eye; class 0 is black.

    Colours are taken greedily from a grid of RGB, the farthest from all former ones by distance in
    OKLab (B. Ottosson, "A perceptual color space for image processing", 2020).
    """
    if not 1 <= n <= 256:
        raise InputError(f"a palette has 1 to 256 classes, not {n}")
    return full_palette(_distinct_colours(n))


def _oklab(rgb):
    """sRGB uint8 (N x 3) to OKLab (N x 3), L from 0 to 1."""
    value = rgb / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    cones = linear @ np.array(
        [
            [0.4122214708, 0.2119034982, 0.0883024619],
            [0.5363325363, 0.6806995451, 0.2817188376],
            [0.0514459929, 0.1073969566, 0.6299787005],
        ]
    )
    return np.cbrt(cones) @ np.array(
        [
            [0.2104542553, 1.9779984951, 0.0259040371],
            [0.7936177850, -2.4285922050, 0.7827717662],
            [-0.0040720468, 0.4505937099, -0.8086757660],
        ]
    )
