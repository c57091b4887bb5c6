"""Reads images safely: format and size limits are checked before a pixel is decoded."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from caffeformat import InputError

if TYPE_CHECKING:
    from typing import Union

    from numpy.typing import NDArray
    from typing_extensions import TypeAlias

    # A path, or an image file's content.
    ImageSource: TypeAlias = Union[str, os.PathLike[str], bytes, bytearray, memoryview]

# The filters of `Image.resize`; Pillow before 9.1 keeps them in `Image` itself.
Resampling: Any = getattr(Image, "Resampling", Image)

# Larger images are refused before a pixel is decoded: 8192 x 8192, 200 MB as RGB.
MAX_PIXELS = 1 << 26

# Formats that photographs and labels come in. Others are left out because Pillow would run whatever
# decoder a file asks for (PostScript through an outside program, for example).
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp")


def open_image(source: ImageSource, name: str | None = None) -> Image.Image:
    """Open an image and check its header; the pixels are not decoded yet.

    `source` is a path, or an image file's content as bytes; `name` is what errors call it.
    Raises `InputError` if the file is missing, is not an image or has more than `MAX_PIXELS`.
    """
    name = name or source_name(source, "image")
    try:
        if isinstance(source, (bytes, bytearray, memoryview)):
            image = Image.open(io.BytesIO(source), formats=FORMATS)
        else:
            image = Image.open(source, formats=FORMATS)
    except Image.DecompressionBombError as error:
        # Pillow gives up at twice its own limit and does not reveal the size.
        size = f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0)} pixels"
        raise InputError(f"{name}: {_too_large(size)}") from error
    except FileNotFoundError as error:
        raise InputError(f"{name}: there is no such image") from error
    except _PILLOW_ERRORS as error:
        raise InputError(f"{name}: cannot be read as an image: {error}") from error
    width, height = image.size
    if width * height > MAX_PIXELS:
        image.close()
        raise InputError(f"{name}: {_too_large(f'{width} x {height}')}")
    return image


def source_name(source: ImageSource, default: str) -> str:
    """The path of `source`, or `default` if it is a file's content."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return default
    return os.fspath(source)


def load_pixels(image: Image.Image, name: str) -> Image.Image:
    """Decode `image` (from `open_image`) in place and return it.

    Raises `InputError` if the data is damaged.
    """
    try:
        image.load()
    except _PILLOW_ERRORS as error:
        raise InputError(f"{name}: the image is damaged: {error}") from error
    return image


def read_rgb(source: ImageSource, name: str | None = None) -> NDArray[np.uint8]:
    """Read an image file as H x W x 3 uint8 RGB, as stored (EXIF rotation and alpha are ignored).

    `source` and `name` as in `open_image`. 16-bit grey is reduced to its upper 8 bits.
    """
    name = name or source_name(source, "image")
    with open_image(source, name) as image:
        return rgb_array(load_pixels(image, name), name)


def rgb_array(image: Image.Image, name: str) -> NDArray[np.uint8]:
    """Convert a decoded `PIL.Image` to H x W x 3 uint8 RGB."""
    if image.mode.startswith("I"):
        grey = np.asarray(image)
        if grey.min() < 0 or grey.max() > 0xFFFF:
            raise InputError(f"{name}: expected 8 or 16 bits per channel, found 32")
        return np.repeat((grey >> 8).astype(np.uint8)[..., None], 3, axis=2)
    if image.mode == "F":
        raise InputError(f"{name}: expected 8 bits per channel, found floating point")
    return np.array(image.convert("RGB"))


# Files damaged on purpose make Pillow raise much more than OSError.
_PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    IndexError,
    EOFError,
    OverflowError,
    MemoryError,
)


def _too_large(size: str) -> str:
    limit = f"at most {MAX_PIXELS} pixels"
    return f"refused: its header says {size}, expected {limit}: scale it down first"
