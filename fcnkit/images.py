"""Opening images that nobody vouches for."""

import io
import os

import numpy as np
from PIL import Image

from caffeformat import InputError

# Above this an image is refused before a pixel is decoded: 8192 x 8192, 200 MB as RGB.
MAX_PIXELS = 1 << 26

# Formats that photographs and labels come in. Others are left out because Pillow would run whatever
# decoder a file asks for (PostScript by an outside program, for one).
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp")


def open_image(source, name=None):
    """A `PIL.Image` whose header has been read and found sane; its pixels are not decoded yet.

    `source` is a path, or an image file's content as bytes; `name` is what errors call it.
    Raises `InputError` for files that are missing or no image, and for more than `MAX_PIXELS`.
    """
    is_bytes = isinstance(source, (bytes, bytearray, memoryview))
    name = name or ("image" if is_bytes else os.fspath(source))
    try:
        image = Image.open(io.BytesIO(source) if is_bytes else source, formats=FORMATS)
    except Image.DecompressionBombError as error:
        # Pillow gives up at twice its own limit, and does not let the size be seen.
        size = f"more than {2 * Image.MAX_IMAGE_PIXELS} pixels"
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


def load_pixels(image, name):
    """Decode `image` (from `open_image`) in place; raises `InputError` where the data is broken."""
    try:
        image.load()
    except _PILLOW_ERRORS as error:
        raise InputError(f"{name}: the image is damaged: {error}") from error
    return image


def read_rgb(source, name=None):
    """An image file as H x W x 3 uint8 RGB, as stored (no rotation by EXIF; alpha is dropped).

    `source` and `name` as in `open_image`. 16-bit grey is cut to its upper 8 bits.
    """
    name = name or ("image" if isinstance(source, (bytes, bytearray)) else os.fspath(source))
    with open_image(source, name) as image:
        return rgb_array(load_pixels(image, name), name)


def rgb_array(image, name):
    """A decoded `PIL.Image` as H x W x 3 uint8 RGB."""
    if image.mode.startswith("I"):
        grey = np.asarray(image)
        if grey.min() < 0 or grey.max() > 0xFFFF:
            raise InputError(f"{name}: expected 8 or 16 bits a channel, found 32")
        return np.repeat((grey >> 8).astype(np.uint8)[..., None], 3, axis=2)
    if image.mode == "F":
        raise InputError(f"{name}: expected an image of 8 bits a channel, found floating point")
    return np.array(image.convert("RGB"))


# What Pillow raises for files that are broken on purpose goes well past OSError.
_PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    IndexError,
    EOFError,
    OverflowError,
    MemoryError,
)


def _too_large(size):
    limit = f"at most {MAX_PIXELS} pixels"
    return f"refused: its header says {size}, expected {limit}: scale it down first"
