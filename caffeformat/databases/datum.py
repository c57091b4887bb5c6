"""`Datum`, an entry of Caffe's databases, to and from arrays (C x H x W, channels B, G, R)."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps

from caffeformat.errors import DAMAGE, InputError, reason
from caffeformat.files import check_png_sums, check_tiff_colours, keep_bmp_indices
from caffeformat.messages import pb

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# What OpenCV decodes for Caffe, and GIF. Pillow knows formats that run other programs.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
_DAMAGE: tuple[type[Exception], ...] = (*DAMAGE, Image.DecompressionBombError)
# Number 6, four bytes each, not packed, as Caffe writes them.
_FLOAT_TAG = 6 << 3 | 5


def array_to_datum(array: ArrayLike, label: int | None = None) -> pb.Datum:
    """A Datum of raw values: bytes from a uint8 array, floats from any other numbers.

    `array` is C x H x W (BGR where it has three channels), `label` an integer or None. Other
    numbers than uint8 become float32.
    """
    values = np.asarray(array)
    if values.ndim != 3:
        raise InputError(f"a Datum holds C x H x W values, found the shape {values.shape}")
    datum = pb.Datum(channels=values.shape[0], height=values.shape[1], width=values.shape[2])
    if values.dtype == np.uint8:
        datum.data = values.tobytes()
    else:
        datum.MergeFromString(_float_fields(values))
    if label is not None:
        datum.label = int(label)
    return datum


def encoded_datum(
    data: bytes, shape: tuple[int, int, int] | None = None, label: int | None = None
) -> pb.Datum:
    """A Datum that holds the bytes of an image file (PNG, JPEG); `shape` is its (C, H, W)."""
    datum = pb.Datum(data=bytes(data), encoded=True)
    if shape is not None:
        datum.channels, datum.height, datum.width = (int(size) for size in shape)
    if label is not None:
        datum.label = int(label)
    return datum


def parse_datum(value: bytes, name: str) -> pb.Datum:
    """The Datum that `value` serializes; `InputError`, with `name`, if it is none."""
    try:
        return pb.Datum.FromString(value)
    except Exception as error:  # protobuf's own error class differs between its releases
        raise InputError(f"{name}: is not a Datum: {reason(error)}") from error


def datum_to_array(datum: pb.Datum, color: bool | None = None) -> NDArray[Any]:
    """The C x H x W array of a Datum: uint8, or float32 if it holds floats.

    Encoded images are decoded as Caffe does: with `color` None to their own channels (grey stays
    one channel, a palette becomes B, G, R, transparency a fourth channel), with True to three
    (`force_color`) and with False to one (`force_gray`); the latter two apply the EXIF orientation.
    Raises `InputError` if the values do not fill the shape or the image cannot be decoded.
    """
    if datum.encoded:
        return _decode(datum.data, color)
    shape = (datum.channels, datum.height, datum.width)
    if datum.data:
        values: NDArray[Any] = np.frombuffer(datum.data, np.uint8)
    else:
        values = _floats(datum)
    if min(shape) < 1 or shape[0] * shape[1] * shape[2] != len(values):
        raise InputError(f"a datum of {len(values)} values claims the shape (C, H, W) {shape}")
    return values.reshape(shape)


def _float_fields(values: NDArray[Any]) -> bytes:
    """`values` as the bytes of so many fields float_data, which is much faster than one by one."""
    fields = np.empty((values.size, 5), np.uint8)
    fields[:, 0] = _FLOAT_TAG
    fields[:, 1:] = np.ascontiguousarray(values, "<f4").reshape(-1, 1).view(np.uint8)
    return fields.tobytes()


def _floats(datum: pb.Datum) -> NDArray[np.float32]:
    """The values of float_data, from its bytes, which is much faster than one by one."""
    count = len(datum.float_data)
    alone = pb.Datum()
    alone.float_data.MergeFrom(datum.float_data)
    data = np.frombuffer(alone.SerializeToString(), np.uint8)
    if data.size != 5 * count:  # not as Caffe's schema writes it
        return np.array(datum.float_data, np.float32)
    values = np.ascontiguousarray(data.reshape(count, 5)[:, 1:]).view("<f4")
    return values.ravel().astype(np.float32)


def _decode(data: bytes, color: bool | None) -> NDArray[np.uint8]:
    try:
        file = io.BytesIO(data)
        check_png_sums(file)
        with Image.open(file, formats=_FORMATS) as image:
            check_tiff_colours(image, "a datum's image")
            keep_bmp_indices(image)
            if image.mode.startswith(("I", "F")):
                raise InputError(
                    f"a datum's image has mode {image.mode}; Caffe reads 8 bits per channel only"
                )
            pixels = _pixels(image, color)
    except InputError:
        raise
    except _DAMAGE as error:
        raise InputError(f"a datum's image cannot be decoded: {reason(error)}") from error
    if pixels.ndim == 2:
        return pixels[np.newaxis]
    order = [2, 1, 0, 3][: pixels.shape[2]]
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[order])


def _pixels(image: Image.Image, color: bool | None) -> NDArray[np.uint8]:
    """H x W, or H x W x 3 or 4, uint8."""
    if color is None:
        return np.asarray(image.convert(_own_mode(image)))
    if not color:
        image.draft("L", image.size)  # a JPEG's own brightness, without a detour through RGB
    png = image.format == "PNG"
    image = ImageOps.exif_transpose(image)
    if color:
        return np.asarray(image.convert("RGB"))
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    return _brightness(np.asarray(image.convert("RGB")), png)


def _brightness(pixels: NDArray[np.uint8], png: bool) -> NDArray[np.uint8]:
    """RGB to grey with the fixed-point weights of libpng, or of OpenCV for other files."""
    weights, half, shift = ((9797, 19234, 3737), 0, 15) if png else ((4899, 9617, 1868), 8192, 14)
    sums = pixels.astype(np.int32) @ np.array(weights, np.int32)
    return ((sums + half) >> shift).astype(np.uint8)


def _own_mode(image: Image.Image) -> str:
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        return "RGBA"
    return "L" if image.mode in ("1", "L") else "RGB"
