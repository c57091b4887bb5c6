"""Encodes an image and its label as the two `Datum`s that DIGITS writes.

Bytes that already have the requested encoding are kept: they are decoded to check that they are
intact, and not encoded again.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from caffeformat import InputError, array_to_datum, encoded_datum, read_bytes
from fcnkit.images import (
    IGNORE_LABEL,
    label_array,
    load_pixels,
    open_image,
    orientation,
    rgb_array,
    upright,
)

from ..findings import ORIENTATION_ADVICE, doubtful_pixels
from . import png
from .totals import Totals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fcnkit.datasets import Pair

JPEG_QUALITY = 90  # as in DIGITS


@dataclass(frozen=True)
class Form:
    """How images and labels are stored."""

    encoding: str = "png"  # of images: "png", "jpeg" (quality 90) or "raw"
    label_encoding: str = "png"  # "png" or "raw"
    channels: str = "none"  # "color" (three), "grey" (one) or "none" (each image's own)
    small: bool = False  # PNGs as small as Pillow makes them, in ten times the time
    same_shape: bool = False  # whether images of different shapes are an error


@dataclass(frozen=True)
class Expected:
    """What is known of a dataset before its images and labels are read."""

    shape: tuple[int, int, int]  # (C, H, W) of the first image
    palette: NDArray[np.uint8]  # 256 x 3, of paletted labels
    colours: NDArray[np.uint8] | None = None  # N x 3, of RGB labels
    classes: int | None = None  # number of classes; None accepts any label


class PairEncoder:
    """Called with a `Pair`, returns the serialized Datums of its image and label.

    `summary()` returns the `Totals` of all pairs it has encoded.
    """

    def __init__(self, form: Form, expected: Expected) -> None:
        self.form, self.expected = form, expected
        self.totals = Totals(expected.shape)

    def __call__(self, pair: Pair) -> tuple[bytes, bytes]:
        image, turned, feature = self._image(pair.image)
        size, class_counts, label = self._label(pair.label)
        if image.size != size:
            raise InputError(_other_size(pair, size, image.size, turned))
        self.totals.add(image, class_counts)
        return feature, label

    def summary(self) -> Totals:
        """The sums over all pairs so far."""
        return self.totals

    def _image(self, path: str) -> tuple[Image.Image, int, bytes]:
        """The image as stored, decoded (a `PIL.Image`, mode L or RGB), and its Datum's bytes.

        Between them, the EXIF orientation of the file, by which the image was turned.
        """
        form = self.form
        data = read_bytes(path)
        image = load_pixels(open_image(data, path), path)
        mode = stored_mode(image, form.channels)
        turned = orientation(image)
        # Bytes that have to be turned for one decoder and are turned by another are not kept.
        keeps = turned == 1 and _is_stored_already(image, data, mode, form.encoding)
        if keeps and form.encoding == "png":
            png.check_chunks(data, path)
        image = upright(image)
        if image.mode != mode:
            image = Image.fromarray(rgb_array(image, path)).convert(mode)
        shape = image_shape(image.size, mode)
        if form.same_shape and shape != self.expected.shape:
            raise InputError(
                f"{path}: its shape (channels, height, width) is {shape}, the first image's is "
                f"{self.expected.shape}: resize the images, or do not request the same shape"
            )
        if form.encoding == "raw":
            pixels = np.asarray(image).reshape(shape[1], shape[2], shape[0])
            datum = array_to_datum(pixels.transpose(2, 0, 1)[::-1], label=0)
        else:
            datum = encoded_datum(data if keeps else self._encode(image), shape, label=0)
        return image, turned, datum.SerializeToString()

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
        doubtful = doubtful_pixels(image)
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


def stored_mode(image: Image.Image, channels: str) -> str:
    """The mode, "L" or "RGB", in which an image is stored under a channel conversion."""
    if channels == "none":
        return "L" if image.mode in ("1", "L", "LA") or image.mode.startswith("I") else "RGB"
    return {"color": "RGB", "grey": "L"}[channels]


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


def _other_size(pair: Pair, label: tuple[int, int], image: tuple[int, int], turned: int) -> str:
    text = (
        f"{pair.label}: the label has {label[0]} x {label[1]} pixels, its image {pair.image} "
        f"{image[0]} x {image[1]}"
    )
    if turned >= 5 and label == image[::-1]:
        text += ORIENTATION_ADVICE.format(turned)
    return text


def _past_classes(class_map: NDArray[np.uint8], classes: int, path: str) -> str:
    row, column = np.argwhere((class_map >= classes) & (class_map != IGNORE_LABEL))[0].tolist()
    return (
        f"{path}: label {class_map[row, column]} at x={column}, y={row} is past the {classes} "
        f"classes (0 to {classes - 1}, {IGNORE_LABEL} = ignore): check the class names, or correct "
        f"the label"
    )
