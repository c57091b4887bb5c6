"""Reads images safely: format and size limits are checked before a pixel is decoded."""

from __future__ import annotations

import io
import os
import re
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from caffeformat import DAMAGE, InputError, reason
from caffeformat.files import (
    check_file,
    check_png_sums,
    check_tiff_colours,
    is_stream,
    keep_bmp_indices,
    open_file,
)

from .tiff_pages import tiff_pages

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

# The EXIF orientations (EXIF 2.32, tag 274) and what turns the stored pixels into what is shown.
_ORIENTATION_TAG = 0x0112
_Transpose: Any = getattr(Image, "Transpose", Image)
_TURNS = {
    2: _Transpose.FLIP_LEFT_RIGHT,
    3: _Transpose.ROTATE_180,
    4: _Transpose.FLIP_TOP_BOTTOM,
    5: _Transpose.TRANSPOSE,
    6: _Transpose.ROTATE_270,
    7: _Transpose.TRANSVERSE,
    8: _Transpose.ROTATE_90,
}

# Key in `Image.info`: the largest sample that a grey file can hold, where Pillow scales samples up.
_SAMPLE_MAX = "fcnkit_sample_max"
# Another: what a file was opened from, where its colours have more than the 8 bits that Pillow
# keeps; and one for grey with transparency among them, which Pillow takes for colour.
DEEP_SOURCE, _DEEP_GREY = "fcnkit_deep_source", "fcnkit_deep_grey"
_PAGES = "_fcnkit_pages"  # an attribute: what is made of an image does not have it

TIFF_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

# What files that are called images turn out to be, by their first bytes, and what to do.
_START = 64
_OTHER_KINDS = {
    rb"version https://git-lfs": "a pointer of Git LFS; fetch the file itself: git lfs pull",
    rb"\s*<(?:!doctype|html)": "a web page; fetch the file again",
    rb"\s*(?:<\?xml.*)?<svg": "an SVG drawing; export it as PNG",
    rb"....ftyp(?:hei|hev|mif|msf)": "a HEIC photograph; convert it to JPEG or PNG",
    rb"....ftypavi": "an AVIF image; convert it to PNG",
    rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51": "a JPEG 2000 image; convert it to PNG or TIFF",
    rb"8BPS": "a Photoshop file; export it as PNG",
    rb"%PDF": "a PDF; export its pages as PNG",
    rb"\x89HDF|MATLAB": "a file of MATLAB or HDF5; save its array as .npy or PNG",
    rb"PK\x03\x04|\x1f\x8b": "an archive; unpack it",
    rb"\0\x05\x16\x07": "what macOS keeps beside a file (._name); remove it",
}

IMAGE_SUFFIXES = (
    *(
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".bmp",
        ".gif",
        ".ppm",
        ".pgm",
        ".tif",
        ".tiff",
        ".webp",
    ),
    *(".npy", ".npz"),
)

# Suffixes of pictures that are not read, so that errors can say so rather than miss a file.
UNREAD_SUFFIXES = (
    *(".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".jpf", ".jpx", ".psd", ".tga", ".exr"),
    *(".hdr", ".svg", ".dng", ".cr2", ".cr3", ".nef", ".arw"),
)


def open_image(source: ImageSource, name: str | None = None) -> Image.Image:
    """Open an image and check its header, and a PNG's checksums; it is not decoded yet.

    `source` is a path, or an image file's content as bytes; `name` is what errors call it.
    A NumPy array of one channel is a grey image, as labels are. Raises `InputError` if the file is
    missing, is not an image or has more than `MAX_PIXELS`.
    """
    name = name or source_name(source, "image")
    if _is_array(source, name):
        from .array_files import grey_image

        return grey_image(source, name)
    try:
        if isinstance(source, (bytes, bytearray, memoryview)):
            image = Image.open(io.BytesIO(source), formats=FORMATS)
        else:
            if is_stream(source):
                check_file(source)  # refuses it: Pillow would wait for, or read, what never ends
            image = Image.open(source, formats=FORMATS)
    except Image.DecompressionBombError as error:
        # Pillow gives up at twice its own limit and does not reveal the size.
        size = f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0)} pixels"
        raise InputError(f"{name}: {_too_large(size)}") from error
    except FileNotFoundError as error:
        raise InputError(f"{name}: there is no such image") from error
    except DAMAGE as error:
        start = start_of(source)
        if start.startswith(TIFF_MARKS):
            from .tiff_files import grey_tiff

            return grey_tiff(source, name)
        # Pillow names a file's content after the object that holds it.
        problem = re.sub(r" <[^>]*>| '[^']*'$", "", str(error))
        raise InputError(f"{name}: cannot be read as an image: {problem}{_kind(start)}") from error
    if image.format == "TIFF":
        if _has_signed_bytes(image):
            image.close()
            from .tiff_files import grey_tiff

            return grey_tiff(source, name)
        try:
            check_tiff_colours(image, name)
        except InputError:
            image.close()
            raise
        # Pillow maps uncompressed files of a known name into memory, with height and width mixed up
        # where an orientation swaps them.
        image.filename = ""
        if image.fp is not None:
            setattr(image, _PAGES, tiff_pages(image.fp))
    keep_bmp_indices(image)
    width, height = image.size
    if width * height > MAX_PIXELS:
        image.close()
        raise InputError(f"{name}: {_too_large(f'{width} x {height}')}")
    if image.format == "PNG" and image.fp is not None:
        # Here, because Pillow decodes a PNG when it is asked for its orientation.
        try:
            check_png_sums(image.fp)
        except DAMAGE as error:
            image.close()
            raise InputError(f"{name}: the image is damaged: {error}") from error
    maximum = _scaled_sample_max(image)
    if maximum is not None:
        image.info[_SAMPLE_MAX] = maximum
    raw_mode = _deep_colours(image)
    if raw_mode is not None:
        image.info.update({DEEP_SOURCE: source, _DEEP_GREY: raw_mode.startswith("LA")})
    return image


def _deep_colours(image: Image.Image) -> str | None:
    """What Pillow calls the samples of an image, if it will keep the upper 8 bits of more.

    None for grey alone, which keeps all bits. The image is not decoded yet.
    """
    tile: Any = getattr(image, "tile", None)
    if not tile or image.mode not in ("LA", "RGB", "RGBA", "RGBX"):
        return None
    arguments = tile[0][3] if isinstance(tile[0][3], tuple) else (tile[0][3],)
    raw_mode = next((value for value in arguments if isinstance(value, str)), image.mode)
    if image.format == "TIFF":
        bits = getattr(image, "tag_v2", {}).get(258, 8)
        is_deep = max(bits if isinstance(bits, tuple) else (bits,)) > 8
    elif image.format == "PPM":
        is_deep = any(isinstance(value, int) and value > 255 for value in arguments)
    else:
        is_deep = ";16" in raw_mode
    return raw_mode if is_deep else None


def shows_colours(image: Image.Image) -> bool:
    """Whether an image from `open_image` holds colours: neither indices nor grey."""
    return image.mode in ("RGB", "RGBA") and not image.info.get(_DEEP_GREY)


def start_of(source: ImageSource) -> bytes:
    """The first bytes of an image file, none if it cannot be read."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source[:_START])
    try:
        with open_file(source) as file:
            return file.read(_START)
    except (InputError, OSError):  # the reader says what is wrong
        return b""


def _kind(start: bytes) -> str:
    """What a file that is no image seems to be by its first bytes, and what to do about it."""
    if not start:
        return ": it is empty; fetch it again, or remove it"
    for pattern, what in _OTHER_KINDS.items():
        if re.match(pattern, start, re.DOTALL | re.IGNORECASE):
            return f": it seems to be {what}"
    return ": replace it, or remove it"


def _is_array(source: ImageSource, name: str) -> bool:
    if isinstance(source, (bytes, bytearray, memoryview)):
        is_zip = bytes(source[:4]) == b"PK\3\4" and name.lower().endswith(".npz")
        return is_zip or bytes(source[:6]) == b"\x93NUMPY"
    return os.fspath(source).lower().endswith((".npy", ".npz")) and os.path.isfile(source)


def _has_signed_bytes(image: Any) -> bool:
    """Whether a TIFF's samples are signed bytes, whose sign Pillow leaves out."""
    tags = getattr(image, "tag_v2", {})
    kinds, bits = tags.get(339, 1), tags.get(258, 1)
    return kinds in (2, (2,)) and bits in (8, (8,))


def sample_values(image: Image.Image) -> NDArray[Any]:
    """The samples of a decoded grey `PIL.Image` (from `open_image`) as the file holds them, H x W.

    Pillow scales samples of two and four bits, and those of a PGM, to the whole range of its mode.
    What tifffile wrote of booleans is shown with True as black, but True is 1.
    """
    shown: NDArray[Any] = np.asarray(image)
    if image.mode == "1" and image.format == "TIFF":
        tags: Any = getattr(image, "tag_v2", {})
        if tags.get(262) == 0 and str(tags.get(305)).startswith("tifffile"):
            return ~shown
    maximum = image.info.get(_SAMPLE_MAX)
    if maximum is None:
        return shown
    whole = 255 if image.mode == "L" else 0xFFFF
    return (shown.astype(np.int64) * maximum * 2 + whole) // (2 * whole)


def _scaled_sample_max(image: Image.Image) -> int | None:
    """The largest sample of a grey file whose samples Pillow scales up; None for all others."""
    tile = getattr(image, "tile", None)
    if not tile or image.mode not in ("L", "I"):
        return None
    decoder, arguments = tile[0][0], tile[0][3]
    if decoder.startswith("ppm"):
        return int(arguments[1]) if isinstance(arguments, tuple) else int(arguments)
    raw_mode = arguments[0] if isinstance(arguments, tuple) else arguments
    match = re.match("L;([24])", raw_mode) if isinstance(raw_mode, str) else None
    return (1 << int(match.group(1))) - 1 if match else None


def pages_of(image: Image.Image) -> int:
    """The number of pages or pictures of an open image file, 0 if the list of them is damaged."""
    try:
        pages = getattr(image, _PAGES, None)
        return int(getattr(image, "n_frames", 1)) if pages is None else pages
    except DAMAGE:
        return 0


def orientation(image: Image.Image) -> int:
    """The EXIF orientation of an image, 1 to 8; 1 (as stored) if it has none or a damaged one."""
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except DAMAGE:
        return 1
    # Pillow turns TIFFs itself: for them the orientation is part of the format.
    return value if value in _TURNS and image.format != "TIFF" else 1


def shown_size(image: Image.Image) -> tuple[int, int]:
    """(width, height) of `image` as it is shown: turned as its EXIF orientation says."""
    width, height = image.size
    return (height, width) if orientation(image) >= 5 else (width, height)


def upright(image: Image.Image) -> Image.Image:
    """`image` turned as its EXIF orientation says, which is how every viewer shows it."""
    turn = _TURNS.get(orientation(image))
    return image if turn is None else image.transpose(turn)


def turned_array(array: NDArray[Any], turn: int) -> NDArray[Any]:
    """`array` (H x W x C) turned as the EXIF orientation `turn` says."""
    if turn in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    rows = slice(None, None, -1 if turn in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if turn in (2, 3, 6, 7) else 1)
    return np.ascontiguousarray(array[rows, columns])


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
    except DAMAGE as error:
        raise InputError(f"{name}: the image is damaged: {error}") from error
    return image


def rgb_array(image: Image.Image, name: str) -> NDArray[np.uint8]:
    """Convert a decoded `PIL.Image` of 8 bits per channel to H x W x 3 uint8 RGB."""
    if image.mode.startswith("I") or image.mode == "F":
        raise InputError(f"{name}: expected 8 bits per channel, found more")
    try:
        return np.array(image if image.mode == "RGB" else image.convert("RGB"))
    except (ImportError, OSError, ValueError) as error:  # of Lab, in older Pillows and small ones
        raise InputError(
            f"{name}: stores {image.mode} colours, which this Pillow does not convert "
            f"({reason(error)}): convert it to RGB"
        ) from error


def _too_large(size: str) -> str:
    limit = f"at most {MAX_PIXELS} pixels"
    return f"refused: its header says {size}, expected {limit}: scale it down first"
