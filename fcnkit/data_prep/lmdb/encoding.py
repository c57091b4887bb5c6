"""Encodes an image and its label as the two `Datum`s that DIGITS writes.

Bytes that already have the requested encoding are kept: they are decoded to check that they are
intact, and not encoded again. Images that Caffe's decoder would change, of more than 8 bits or of
other numbers of channels than 1 and 3, are stored raw.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from caffeformat import InputError, array_to_datum, encoded_datum, read_bytes
from fcnkit.datasets import can_become
from fcnkit.images import (
    IGNORE_LABEL,
    ImageForm,
    channels_first,
    count_channels,
    label_array,
    load_pixels,
    open_image,
    open_picture,
    rgb_array,
    upright,
)

from ..findings import doubtful_pixels, past_advice, size_advice
from . import png
from .totals import Totals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fcnkit.datasets import Pair
    from fcnkit.images import Picture

JPEG_QUALITY = 90  # as in DIGITS


@dataclass(frozen=True)
class Form:
    """How images and labels are stored."""

    encoding: str = "png"  # of images: "png", "jpeg" (quality 90) or "raw"
    label_encoding: str = "png"  # "png" or "raw"
    # "color" (three), "grey" (one), a number, or "auto" (also "none"): the first image's, but three
    # where grey and colour images are mixed
    channels: str | int = "auto"
    small: bool = False  # PNGs as small as Pillow makes them, in ten times the time
    same_shape: bool = False  # whether images of different shapes are an error
    white: float | None = None  # value of images of more than 8 bits that becomes 255
    bands: tuple[int, ...] | None = None  # to show as red, green and blue, counted from 1


@dataclass(frozen=True)
class Expected:
    """What is known of a dataset before its images and labels are read."""

    shape: tuple[int, int, int]  # (C, H, W) of the first image as stored
    image: ImageForm  # of all images as stored
    palette: NDArray[np.uint8]  # 256 x 3, of paletted labels
    colours: NDArray[np.uint8] | None = None  # N x 3, of RGB labels
    classes: int | None = None  # number of classes; None accepts any label


class PairEncoder:
    """Called with a `Pair`, returns the serialized Datums of its image and label.

    `summary()` returns the `Totals` of all pairs it has encoded.
    """

    def __init__(self, form: Form, expected: Expected) -> None:
        self.form, self.expected = form, expected
        self.totals = Totals(expected.shape, expected.image.depth or "uint8")

    def __call__(self, pair: Pair) -> tuple[bytes, bytes]:
        image, turned, feature = self._image(pair.image)
        size, class_counts, label = self._label(pair.label)
        is_array = isinstance(image, np.ndarray)
        image_size = (image.shape[1], image.shape[0]) if is_array else image.size
        if image_size != size:
            channels = image.shape[2] if is_array else len(image.getbands())
            advice = size_advice(size, image_size, turned, channels)
            raise InputError(
                f"{pair.label}: the label has {size[0]} x {size[1]} pixels, its image {pair.image} "
                f"{image_size[0]} x {image_size[1]}{advice}"
            )
        self.totals.add(image, class_counts)
        return feature, label

    def summary(self) -> Totals:
        """The sums over all pairs so far."""
        return self.totals

    def _image(self, path: str) -> tuple[Any, int, bytes]:
        """The image as stored, its EXIF orientation, by which it was turned, and its Datum's bytes.

        The image is a decoded `PIL.Image`, mode L or RGB, or an array, H x W x C.
        """
        data = read_bytes(path)
        picture, stored = open_picture(data, path), self.expected.image
        if self.form.channels in ("auto", "none"):
            _check_alike(picture, stored, path)
        keeps, is_picture = False, stored.depth == "uint8" and stored.channels in (1, 3)
        image: Any
        if is_picture and picture.image is not None:
            image, keeps = self._plain(picture, picture.image, data, path)
        else:
            image = self._pixels(picture, path)
            if is_picture:
                image = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
        if not is_picture:
            self._check_shape((image.shape[2], *image.shape[:2]), path)
            return image, picture.turned, _array_datum(image)
        shape = image_shape(image.size, image.mode)
        self._check_shape(shape, path)
        if self.form.encoding == "raw":
            pixels = np.asarray(image).reshape(shape[1], shape[2], shape[0])
            return image, picture.turned, _array_datum(pixels)
        datum = encoded_datum(data if keeps else self._encode(image), shape, label=0)
        return image, picture.turned, datum.SerializeToString()

    def _plain(
        self, picture: Picture, image: Image.Image, data: bytes, path: str
    ) -> tuple[Image.Image, bool]:
        """(`image` decoded, turned, in mode L or RGB; whether the file's bytes can be stored)."""
        mode = "RGB" if self.expected.image.channels == 3 else "L"
        load_pixels(image, path)
        if picture.has_alpha:
            self.totals.transparent += image.getchannel("A").getextrema()[0] != 255
        is_grey = image.mode in ("1", "L", "LA")
        self.totals.repeated += is_grey and mode == "RGB"
        # Bytes that have to be turned for one decoder and are turned by another are not kept.
        keeps = picture.turned == 1 and _is_stored_already(image, data, mode, self.form.encoding)
        if keeps and self.form.encoding == "png":
            png.check_chunks(data, path)
        image = upright(image)
        if image.mode != mode:
            image = image.convert("L") if is_grey else Image.fromarray(rgb_array(image, path))
            image = image.convert(mode)
        return image, keeps

    def _pixels(self, picture: Picture, path: str) -> NDArray[Any]:
        """The image as an array, H x W x C, as it is stored."""
        stored, pixels = self.expected.image, picture.pixels()
        if picture.has_alpha and pixels.shape[2] != stored.channels:
            self.totals.transparent += bool(pixels[..., -1].min() != pixels[..., -1].max())
        return stored.fit(pixels, path, picture.has_alpha)

    def _check_shape(self, shape: tuple[int, ...], path: str) -> None:
        if self.form.same_shape and shape != self.expected.shape:
            raise InputError(
                f"{path}: its shape (channels, height, width) is {shape}, the first image's is "
                f"{self.expected.shape}: resize the images, or do not request the same shape"
            )

    def _encode(self, image: Image.Image) -> bytes:
        if self.form.encoding == "png" and not self.form.small:
            return png.encode_photo(np.asarray(image))
        file = io.BytesIO()
        if self.form.encoding == "png":
            image.save(file, "PNG")
        else:
            image.save(file, "JPEG", quality=JPEG_QUALITY)
        return file.getvalue()

    def _label(self, path: str) -> tuple[tuple[int, int], NDArray[np.int64], bytes]:
        """The label's (width, height), its pixels of each of 256 values, and its Datum's bytes."""
        expected = self.expected
        data = read_bytes(path)
        image = load_pixels(open_image(data, path), path)
        class_map = label_array(image, expected.colours, path)
        # Pillow counts bytes several times faster than NumPy's bincount, which widens them first.
        counts = np.array(Image.fromarray(class_map).histogram(), np.int64)
        if expected.classes is not None and counts[expected.classes : IGNORE_LABEL].any():
            raise InputError(_past_classes(class_map, expected.classes, path))
        if image.mode == "P" and expected.colours is None:
            self.totals.check_palette(image, counts, expected.palette)
        doubtful = doubtful_pixels(image, counts)
        if doubtful is not None:
            self.totals.add_lossy(doubtful)
        if self.form.label_encoding == "raw":
            datum = array_to_datum(class_map[np.newaxis], label=0)
        else:
            is_same = expected.colours is None or np.array_equal(np.asarray(image), class_map)
            stored = _label_png(image, data, path) if is_same else None
            shape = (1, class_map.shape[0], class_map.shape[1])
            datum = encoded_datum(stored or png.encode_label(class_map), shape, label=0)
        return image.size, counts, datum.SerializeToString()


def _check_alike(picture: Picture, stored: ImageForm, path: str) -> None:
    """Refuse an image of other channels than the first one's, where nobody chose a number."""
    found = ImageForm(picture.channels)
    if not can_become(found, stored.channels or 0):
        raise InputError(
            f"{path}: has {count_channels(picture.channels)}, the first image {stored.channels}: "
            "images of a net have the same number: pass {option}, or another number, to make them "
            "alike",
            option="channels",
            value="color",
        )


def _array_datum(pixels: NDArray[Any]) -> bytes:
    """A Datum of bytes, or of floats for 16 bits and float32, whose values stay as they are."""
    return array_to_datum(channels_first(pixels), label=0).SerializeToString()


def image_shape(size: tuple[int, int], mode: str) -> tuple[int, int, int]:
    """(C, H, W) of an image of `size` (width, height) in mode "L" or "RGB"."""
    return (3 if mode == "RGB" else 1, size[1], size[0])


def _is_stored_already(image: Image.Image, data: bytes, mode: str, encoding: str) -> bool:
    """Whether the file's own bytes can be stored, for any decoder."""
    if image.format != encoding.upper() or image.mode != mode:
        return False
    if encoding == "png":
        # A PNG with a transparent colour would be four channels for Caffe.
        kind = {"L": png.GREY, "RGB": png.RGB}[mode]
        return png.colour_type(data) == kind and "transparency" not in image.info
    return True


def _label_png(image: Image.Image, data: bytes, path: str) -> bytes | None:
    """A label file's bytes as a grey PNG of its values, or None if they have to be encoded."""
    kind = png.colour_type(data)
    if kind not in (png.GREY, png.PALETTED):
        return None
    if kind == png.GREY and "transparency" not in image.info:
        png.check_chunks(data, path)
        return data
    return png.paletted_to_grey(data, path)


def _past_classes(class_map: NDArray[np.uint8], classes: int, path: str) -> str:
    row, column = np.argwhere((class_map >= classes) & (class_map != IGNORE_LABEL))[0].tolist()
    return (
        f"{path}: label {class_map[row, column]} at x={column}, y={row} is past the {classes} "
        f"classes (0 to {classes - 1}, {IGNORE_LABEL} = ignore): check the class names, or correct "
        f"the label{past_advice(int(class_map[row, column]), classes)}"
    )
