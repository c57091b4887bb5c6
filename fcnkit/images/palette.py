"""Palettes: 256 x 3 uint8 RGB, row i the colour of class i.

Row 255 is the colour of ignored pixels. A palette read from a file with fewer colours, or made for
fewer classes, is black in between and has VOC's ignore colour (224, 224, 192) in row 255.
"""

from __future__ import annotations

import codecs
import functools
import os
import re
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from caffeformat import FormatError, InputError, reading
from caffeformat.files import open_file

from .class_lists import IGNORE_NAMES
from .class_tables import class_table
from .reading import open_image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import ArrayLike, NDArray

IGNORE_LABEL = 255
IGNORE_COLOUR = (224, 224, 192)

# The first bytes of paletted images, which cannot be text.
_PALETTED = (b"\x89PNG", b"GIF8")

_VALUE = re.compile("0*(?:[0-9]{1,2}|1[0-9]{2}|2[0-4][0-9]|25[0-5])")


def voc_palette() -> NDArray[np.uint8]:
    """PASCAL VOC's colour map (as the development kit's VOCcolormap makes it), 256 x 3 uint8.

    Bits 0, 1, 2 of a class index become the highest bit of red, green and blue, bits 3, 4, 5 the
    next one down, and so on.
    """
    index = np.arange(256)
    palette: NDArray[np.uint8] = np.zeros((256, 3), np.uint8)
    for step in range(8):
        for channel in range(3):
            bit = (index >> (3 * step + channel)) & 1
            palette[:, channel] |= (bit << (7 - step)).astype(np.uint8)
    return palette


def full_palette(colours: ArrayLike) -> NDArray[np.uint8]:
    """Extend colours 0..n-1 (n x 3, n <= 256) to 256 rows with an ignore colour.

    Raises ValueError for values that are not 0 to 255, which older NumPy would wrap around.
    """
    colours = np.asarray(colours).reshape(-1, 3)
    if colours.size and not (colours.min() >= 0 and colours.max() <= 255):
        raise ValueError("colours are 0 to 255")
    palette: NDArray[np.uint8] = np.zeros((256, 3), np.uint8)
    palette[IGNORE_LABEL] = IGNORE_COLOUR
    palette[: len(colours)] = colours
    return palette


def read_palette(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read a palette from a text file or a paletted image; the path `voc` means VOC's own.

    A text file has one `R G B` per line, the first line is class 0. Values may be separated by
    blanks or commas; words after the three numbers, empty lines and lines that begin with `#` are
    ignored. The class tables of annotation tools (see `class_tables`) are read as well.
    Raises `InputError` if there is no such file, `FormatError` with the line otherwise.
    """
    if path == "voc":
        return voc_palette()
    colours, ignore = _read_colours(os.fspath(path))
    palette = full_palette(colours)
    if ignore is not None:
        palette[IGNORE_LABEL] = ignore
    return palette


def read_colour_map(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read which class each colour of labels is: N x 3 uint8, row i the colour of class i.

    As `read_palette`, with two differences. The path `binary` means black for class 0 and white for
    class 1. A colour whose line ends in `ignore` marks pixels to ignore; it is row 255 of 256, and
    the rows without a class repeat class 0.
    """
    if path == "voc":
        return voc_palette()
    if path == "binary":
        return np.array([[0, 0, 0], [255, 255, 255]], np.uint8)
    colours, ignore = _read_colours(os.fspath(path))
    found = np.array(colours, np.uint8).reshape(-1, 3)
    if ignore is None:
        return found
    if len(found) > IGNORE_LABEL:
        raise FormatError(path, "expected at most 255 colours and one to ignore")
    whole: NDArray[np.uint8] = np.repeat(found[:1], 256, 0)
    whole[: len(found)], whole[IGNORE_LABEL] = found, ignore
    return whole


def colour_map_names(path: str | os.PathLike[str]) -> list[str] | None:
    """The class names in a colour map's file, in the order of its colours; None if it has none.

    Raises as `read_colour_map`.
    """
    if path in ("voc", "binary"):
        return None
    with open_file(path) as file:
        data = file.read(1 << 20)
    if data[:4] in _PALETTED:
        return None
    table = class_table(data.decode("utf-8-sig", "replace"), os.fspath(path))
    return None if table is None else table.names


def count_colours(colours: NDArray[np.uint8]) -> int:
    """The number of classes of a colour map as `read_colour_map` returns it."""
    if len(colours) < 256:
        return len(colours)
    return int(np.flatnonzero((colours[:IGNORE_LABEL] != colours[0]).any(1)).max(initial=0)) + 1


def _read_colours(path: str) -> tuple[list[tuple[int, ...]], tuple[int, ...] | None]:
    """(colours of the classes, colour of pixels to ignore or None) in a file."""
    with open_file(path) as file:
        data = file.read(1 << 20)
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise FormatError(path, "is text in UTF-16, expected a colour map in UTF-8: save it so")
    if data[:4] in _PALETTED:
        with reading(path, "the palette cannot be read"), open_image(path) as image:
            return list(map(tuple, palette_from_image(image, path).tolist())), None
    text = data.decode("utf-8-sig", "replace")
    table = class_table(text, path)
    if table is not None:
        if not table.colours:
            raise FormatError(path, "lists classes without colours: add a colour to each")
        _check_count(table.colours, path)
        return list(table.colours), table.ignore
    colours: list[tuple[int, ...]] = []
    fourth: list[str] = []
    ignore = None
    for number, line in _in_order(text, path):
        words = line.replace(",", " ").split()
        if len(words) < 3 or not all(map(_VALUE.fullmatch, words[:3])):
            raise FormatError(
                path, f"expected a colour as three numbers 0..255, found {line[:60]!r}", number
            )
        colour = tuple(int(word) for word in words[:3])
        fourth += words[3:4]
        if len(words) == 4 and words[3].lower() in IGNORE_NAMES:
            if ignore is not None:
                raise FormatError(path, "expected one colour to ignore, found two", number)
            ignore = colour
        else:
            colours.append(colour)
    _check_count(colours, path)
    if len(fourth) == len(colours) > 1 and all(map(_VALUE.fullmatch, fourth)):
        _refuse_indices(colours, list(map(int, fourth)), path)
    return colours, ignore


def _in_order(text: str, path: str) -> list[tuple[int, str]]:
    """(number, line) of a colour map; lines that begin with `0:`, `1:`, ... in this order.

    The one of index 255 is to ignore. Raises `FormatError` for other indices than 0, 1, 2, ...
    """
    lines = [(n, line.strip()) for n, line in enumerate(text.splitlines(), 1)]
    lines = [(n, line) for n, line in lines if line and not line.startswith("#")]
    matches = [_INDEXED.fullmatch(line) for _, line in lines]
    if not all(matches):
        return lines
    rest = [match.group(2) for match in matches if match]
    indices = [int(match.group(1)) for match in matches if match]
    order = sorted(range(len(lines)), key=indices.__getitem__)
    if indices.count(IGNORE_LABEL) == 1 and len(lines) <= IGNORE_LABEL:
        rest[order[-1]] += f" {IGNORE_NAMES[1]}"
    classes = [indices[at] for at in order if not rest[at].endswith(IGNORE_NAMES[1])]
    if classes != list(range(len(classes))):
        shown = ", ".join(map(str, classes[:6]))
        raise FormatError(
            path,
            f"its lines begin with the indices {shown}{', ...' if len(classes) > 6 else ''}, "
            f"expected 0 to {len(classes) - 1}, and perhaps {IGNORE_LABEL}: one line per class",
        )
    return [(lines[at][0], rest[at]) for at in order]


_INDEXED = re.compile(r"(\d{1,3})\s*[:=)]\s*(.*)")


def _refuse_indices(colours: Sequence[tuple[int, ...]], fourth: Sequence[int], path: str) -> None:
    """Raise `FormatError` if lines of four numbers seem to begin with the class's index.

    Not where the other three are the same colours, nor where all lines end in 255 and are greys or
    would be one colour twice: that is opacity.
    """
    if [colour[0] for colour in colours] != list(range(len(colours))):
        return
    behind = [(*colour[1:], last) for colour, last in zip(colours, fourth)]
    are_greys = all(len(set(colour)) == 1 for colour in colours)
    are_opaque = set(fourth) == {255} and (are_greys or len(set(behind)) < len(behind))
    if behind == list(colours) or are_opaque:
        return
    raise FormatError(
        path,
        "its lines hold four numbers, of which the first seems to be the class's index: leave it "
        "out, so that `R G B` is left; if it is red, leave the last one out",
    )


def _check_count(colours: Sequence[tuple[int, ...]], path: str) -> None:
    if not 1 <= len(colours) <= 256:
        raise FormatError(path, f"expected 1 to 256 colours, one per line, found {len(colours)}")


def format_palette(palette: ArrayLike) -> str:
    """Format a palette as the text that `read_palette` reads: 256 lines of `R G B`."""
    return "".join("{} {} {}\n".format(*row) for row in np.asarray(palette).tolist())


def palette_from_image(
    image: Image.Image | str | os.PathLike[str], source: str = "image"
) -> NDArray[np.uint8]:
    """The palette of a paletted image (a `PIL.Image` or a path).

    Raises `InputError` if the image has none.
    """
    if not isinstance(image, Image.Image):
        source = os.fspath(image)
        with reading(source, "the palette cannot be read"), open_image(source) as opened:
            return palette_from_image(opened, source)
    if image.mode != "P":
        raise InputError(
            f"{source}: expected a paletted image, found mode {image.mode}: pass the palette as a "
            f"text file with one `R G B` per line instead"
        )
    return full_palette(own_colours(image))


def own_colours(image: Image.Image) -> NDArray[np.uint8]:
    """The colours that the palette of a paletted `PIL.Image` has: N x 3 uint8, N <= 256."""
    values = np.array((image.getpalette() or [])[: 3 * 256], np.uint8).reshape(-1, 3)
    stored = getattr(image.palette, "palette", None)
    if len(values) == 256 and isinstance(stored, (bytes, bytearray)) and stored:
        # Pillow before 9.1 fills the palette up with greys.
        is_bmp = image.format in ("BMP", "DIB") and _are_of_bmp(stored, values)
        values = values[: len(stored) // (4 if is_bmp else 3)]
    return values


def _are_of_bmp(stored: bytes | bytearray, values: NDArray[np.uint8]) -> bool:
    """Whether `stored` are the colours `values` as a BMP holds them: B, G, R, 0."""
    if len(stored) % 4:
        return False
    entries = np.frombuffer(stored, np.uint8).reshape(-1, 4)[:256]
    return np.array_equal(entries[:, 2::-1], values[: len(entries)])


def palette_agrees(
    label: Image.Image, class_counts: NDArray[np.int64], palette: NDArray[np.uint8]
) -> bool:
    """Whether a paletted label (`PIL.Image`) has `palette`'s colours at all indices that it uses.

    `class_counts` is its number of pixels of each index (256); the ignore label may have any
    colour.
    """
    own = own_colours(label)
    used = np.flatnonzero(class_counts[: min(len(own), IGNORE_LABEL)])
    return np.array_equal(own[used], palette[used])


@functools.cache
def _distinct_colours(n: int) -> NDArray[np.uint8]:
    """`n` colours, each as far as possible from those before it in OKLab; the first is black."""
    levels = np.linspace(0, 255, 17).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(-1, 3)
    lab = _oklab(grid)
    chosen = [0]
    distance = np.linalg.norm(lab - lab[0], axis=1)
    # The ignore colour is taken too, although no class has it.
    ignore = _oklab(np.array([IGNORE_COLOUR], np.uint8))[0]
    distance = np.minimum(distance, np.linalg.norm(lab - ignore, axis=1))
    while len(chosen) < n:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(lab - lab[chosen[-1]], axis=1))
    return grid[chosen]


def distinct_palette(n: int) -> NDArray[np.uint8]:
    """A palette of `n` classes (1 to 256) whose colours are easy to tell apart; class 0 is black.

    Colours are chosen greedily from an RGB grid, each the farthest from all previous ones by
    distance in OKLab (B. Ottosson, "A perceptual color space for image processing", 2020).
    """
    if not 1 <= n <= 256:
        raise InputError(f"a palette has 1 to 256 classes, not {n}")
    return full_palette(_distinct_colours(n))


def _oklab(rgb: NDArray[np.uint8]) -> NDArray[np.floating[Any]]:
    """Convert sRGB uint8 (N x 3) to OKLab (N x 3), L from 0 to 1."""
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
