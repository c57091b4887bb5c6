"""Opens images of any number of channels, of 8, 16 or 32 bits: photographs, PNG, TIFF, arrays.

Pillow reads everything whose 8 bits per channel it keeps. It would reduce 16 bits of colour to 8
and leave out channels, so those files are read otherwise.
"""

from __future__ import annotations

import logging
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from caffeformat import InputError
from caffeformat.files import read_bytes

from .array_files import open_array_file
from .reading import (
    DEEP_SOURCE,
    TIFF_MARKS,
    load_pixels,
    open_image,
    orientation,
    pages_of,
    rgb_array,
    sample_values,
    source_name,
    start_of,
    turned_array,
    upright,
)
from .tiff_files import open_tiff

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from typing_extensions import Self

    from .reading import ImageSource

_NUMPY_MARKS = (b"\x93NUMPY", b"PK\x03\x04")

# Pillow reports every file of many bands that it leaves to the other reader.
logging.getLogger("PIL.TiffImagePlugin").addHandler(logging.NullHandler())

# Modes whose 8 bits Pillow keeps, with their numbers of channels, transparency included. All others
# of 8 bits become RGB.
_GREY = ("1", "L")
_ALPHA = {"LA": 2, "RGBA": 4}


class Picture(NamedTuple):
    """An image file that is open.

    size       (width, height), as viewers show it
    channels   number of channels; transparency is one in a TIFF, where any fourth channel is called
               so, and none elsewhere
    depth      "uint8", "uint16" or "float32"
    has_alpha  whether the last of the file's channels is transparency
    turned     EXIF orientation, 1 (as stored) to 8
    image      the undecoded `PIL.Image` where its 8 bits are all that the file holds, else None
    pixels     reads H x W x C, transparency included, turned
    """

    size: tuple[int, int]
    channels: int
    depth: str
    has_alpha: bool
    turned: int
    image: Image.Image | None
    pixels: Callable[[], NDArray[Any]]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.image is not None:
            self.image.close()


def open_picture(source: ImageSource, name: str | None = None) -> Picture:
    """Open an image file and check its header; the pixels are not decoded yet.

    `source` is a path, or a file's content; `name` is what errors call it. NumPy's `.npy` and
    `.npz` hold one array, H x W or H x W x C. Raises `InputError` as `open_image`, and for files of
    several pictures, for samples that are neither bytes, 16 bits nor float32, and for colour of
    more than 8 bits in formats other than PNG and TIFF.
    """
    name = name or source_name(source, "image")
    start = start_of(source)
    if start.startswith(_NUMPY_MARKS):
        found = open_array_file(source, name)
        height, width, channels = found.shape
        return Picture((width, height), channels, found.depth, False, 1, None, found.pixels)
    if start.startswith(TIFF_MARKS):
        image = _plain_tiff(source, name)
        if image is None:
            tiff = open_tiff(source, name)
            height, width, channels = tiff.shape
            has_alpha, pixels = tiff.has_alpha, tiff.pixels
            return Picture((width, height), channels, tiff.depth, has_alpha, 1, None, pixels)
    else:
        image = open_image(source, name)
        if image.format in ("GIF", "WEBP", "PNG") and pages_of(image) != 1:
            raise InputError(
                f"{name}: holds several pictures, expected one image: save the one that counts as "
                "a file of its own"
            )
    deep = _deep_pixels(image, source, name)
    turned = orientation(image)
    size = image.size[::-1] if turned >= 5 else image.size
    if deep is not None:
        samples, read = deep
        has_alpha = samples in (2, 4)
        return Picture(
            size,
            samples - has_alpha,
            "uint16",
            has_alpha,
            turned,
            None,
            lambda: turned_array(read(), turned),
        )
    samples = 1 if image.mode in _GREY else _ALPHA.get(image.mode, 3)
    has_alpha = image.mode in _ALPHA
    channels = samples if image.format == "TIFF" else samples - has_alpha
    opened = image
    return Picture(
        size,
        channels,
        "uint8",
        has_alpha,
        turned,
        image,
        lambda: _plain_pixels(opened, name),
    )


def deep_samples(image: Image.Image, name: str) -> NDArray[Any] | None:
    """H x W x C of a decoded `PIL.Image` if its file has colours of more than 8 bits; else None.

    As labels are: as stored, whatever the EXIF orientation. Raises `InputError` as `open_picture`.
    """
    source = image.info.get(DEEP_SOURCE)
    if source is None:
        return None
    if image.format != "PNG":
        with open_picture(source, name) as picture:
            return picture.pixels()
    with open_image(source, name) as other:
        deep = _deep_pixels(other, source, name)
        return None if deep is None else deep[1]()


def _plain_pixels(image: Image.Image, name: str) -> NDArray[np.uint8]:
    shown = upright(load_pixels(image, name))
    if shown.mode in _GREY:
        return np.array(shown.convert("L"))[..., None]
    return np.array(shown) if shown.mode in _ALPHA else rgb_array(shown, name)


def _plain_tiff(source: ImageSource, name: str) -> Image.Image | None:
    """The TIFF as opened by Pillow where it is one picture of 8 bits that Pillow reads whole."""
    try:
        image = open_image(source, name)
    except InputError:
        return None  # the other reader says what it cannot read
    tags: Any = getattr(image, "tag_v2", {})
    bits, samples = tags.get(258, (1,)), tags.get(277, 1)
    bits = bits if isinstance(bits, tuple) else (bits,)
    is_plain = (
        image.format == "TIFF"  # and not what the other reader made of a label
        and all(count in (1, 8) for count in bits)
        and samples == len(image.getbands())
        and image.mode != "RGBX"  # Pillow before 9 drops the fourth
        and image.mode not in ("I", "F")
        and not image.mode.startswith("I;")
        and pages_of(image) == 1
        and set(_of(tags.get(339, 1))) <= {1, 4}  # SampleFormat: unsigned, or not said
        # ExtraSamples: Pillow divides by transparency that is called premultiplied
        and 1 not in _of(tags.get(338, 0))
    )
    if is_plain:
        return image
    image.close()
    return None


def _of(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _deep_pixels(
    image: Image.Image, source: ImageSource, name: str
) -> tuple[int, Callable[[], NDArray[np.uint16]]] | None:
    """(channels, reader) of a PNG, or grey PGM, of more than 8 bits per channel; else None."""
    tile: Any = getattr(image, "tile", None)
    if not tile:
        return None
    arguments = tile[0][3] if isinstance(tile[0][3], tuple) else (tile[0][3],)
    raw = arguments[0] if arguments and isinstance(arguments[0], str) else ""
    if image.format == "PPM":
        largest = [value for value in arguments if isinstance(value, int)]
        if image.mode == "RGB" and largest and largest[-1] > 255:
            raise InputError(
                f"{name}: holds colour of more than 8 bits as PPM, expected PNG or TIFF: convert it"
            )
    if image.mode.startswith("I"):
        return 1, lambda: _grey(load_pixels(image, name))
    if image.format != "PNG" or ";16" not in raw:
        return None
    if raw.startswith("LA"):
        content = _content(source, name)
        return 2, lambda: _grey_alpha(content, name)
    count = 4 if raw.startswith("RGBA") else 3
    return count, lambda: _colour(image, source, name)


def _grey(image: Image.Image) -> NDArray[np.uint16]:
    return sample_values(image).astype(np.uint16)[..., None]


def _colour(image: Image.Image, source: ImageSource, name: str) -> NDArray[np.uint16]:
    """The samples of a PNG of 16 bits per channel, of which Pillow decodes one byte at a time.

    Its decoder for big-endian samples keeps their first bytes, that for little-endian ones the
    second.
    """
    high = np.asarray(load_pixels(image, name)).astype(np.uint16)
    with open_image(source, name) as other:
        file: Any = other
        tile = file.tile[0]
        arguments: Any = tile[3]
        if isinstance(arguments, str):
            arguments = arguments.replace("16B", "16L")
        else:
            arguments = (arguments[0].replace("16B", "16L"), *arguments[1:])
        # A named tuple since Pillow 11
        is_named = hasattr(tile, "_replace")
        file.tile = [tile._replace(args=arguments) if is_named else (*tile[:3], arguments)]
        low = np.asarray(load_pixels(other, name))
    return high << np.uint16(8) | low


def _grey_alpha(content: bytes, name: str) -> NDArray[np.uint16]:
    """The samples of a PNG of grey and transparency, 16 bits each.

    Its rows are those of a PNG of four channels of 8 bits, and read as one.
    """
    header = content[12:24] + bytes([8, 6]) + content[26:29]
    check = zlib.crc32(header).to_bytes(4, "big")
    with open_image(content[:12] + header + check + content[33:], name) as image:
        pairs = np.asarray(load_pixels(image, name)).astype(np.uint16)
    return pairs[..., ::2] << np.uint16(8) | pairs[..., 1::2]


def _content(source: ImageSource, name: str) -> bytes:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    try:
        return read_bytes(source)
    except InputError as error:
        problem = str(error).partition(": ")[2]
        raise InputError(f"{name}: {problem}") from error
