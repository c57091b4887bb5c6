"""One image and its label as the two `Datum`s that DIGITS writes.

Bytes that are in the wanted form already are kept: they are decoded to see that they are whole, and
not encoded again.
"""

import collections
import io

import numpy as np
from PIL import Image

from caffeformat import InputError, array_to_datum, encoded_datum
from fcnkit.images import load_pixels, open_image, rgb_array
from fcnkit.labels import label_array
from fcnkit.palette import IGNORE_LABEL

from . import png
from .totals import Totals

JPEG_QUALITY = 90  # as DIGITS has it
_EXIF_ORIENTATION = 0x0112

# How images and labels are stored.
#   encoding        "png", "jpeg" or "raw"
#   label_encoding  "png" or "raw"
#   channels        "color", "grey", or "none" for each image's own
#   small           whether PNGs are made small at the price of time
#   colours         N x 3 uint8, the colours of RGB labels, or None
#   palette         256 x 3 uint8, what paletted labels are expected to have
#   classes         number of classes, or None where any label is right
#   shape           (C, H, W) of the first image
#   same_shape      whether another shape is an error
Options = collections.namedtuple(
    "Options",
    "encoding label_encoding channels small colours palette classes shape same_shape",
)


class PairEncoder:
    """Called with a `Pair`, returns the serialized Datums of its image and label.

    `summary()` gives the `Totals` of all pairs it has seen.
    """

    def __init__(self, options):
        self.options = options
        self.totals = Totals(options.shape)

    def __call__(self, pair):
        image, feature = self._image(pair.image)
        size, class_counts, label = self._label(pair.label)
        if image.size != size:
            raise InputError(
                f"{pair.label}: the label has {size[0]} x {size[1]} pixels, its image {pair.image} "
                f"{image.size[0]} x {image.size[1]}"
            )
        self.totals.add(image, class_counts)
        return feature, label

    def summary(self):
        return self.totals

    def _image(self, path):
        """The image as stored, decoded (a `PIL.Image`, mode L or RGB), and its Datum's bytes."""
        options = self.options
        data = _read(path)
        image = load_pixels(open_image(data, path), path)
        mode = stored_mode(image, options.channels)
        keeps = _is_stored_already(image, data, mode, options.encoding)
        if keeps and options.encoding == "png":
            for _ in png.chunks(data, path):
                pass  # which checks them
        if image.mode != mode:
            image = Image.fromarray(rgb_array(image, path)).convert(mode)
        shape = image_shape(image.size, mode)
        if options.same_shape and shape != options.shape:
            raise InputError(
                f"{path}: its shape (channels, height, width) is {shape}, the first image's is "
                f"{options.shape}: resize the images, or do not ask for the same shape"
            )
        if options.encoding == "raw":
            pixels = np.asarray(image).reshape(shape[1], shape[2], shape[0])
            datum = array_to_datum(pixels.transpose(2, 0, 1)[::-1], label=0)
        else:
            datum = encoded_datum(data if keeps else self._encode(image), shape, label=0)
        return image, datum.SerializeToString()

    def _encode(self, image):
        if self.options.encoding == "png" and not self.options.small:
            return png.encode_photo(np.asarray(image))
        file = io.BytesIO()
        if self.options.encoding == "png":
            image.save(file, "PNG")
        else:
            image.save(file, "JPEG", quality=JPEG_QUALITY)
        return file.getvalue()

    def _label(self, path):
        """The label's (width, height), its pixels of each of 256 values, and its Datum's bytes."""
        options = self.options
        data = _read(path)
        image = load_pixels(open_image(data, path), path)
        class_map = label_array(image, options.colours, path)
        # Pillow counts bytes several times faster than NumPy's bincount, which widens them first.
        counts = np.array(Image.fromarray(class_map).histogram(), np.int64)
        if options.classes is not None and counts[options.classes : IGNORE_LABEL].any():
            raise InputError(_past_classes(class_map, options.classes, path))
        if image.mode == "P" and options.colours is None:
            self.totals.check_palette(image, counts, options.palette)
        shape = (1,) + class_map.shape
        if options.label_encoding == "raw":
            datum = array_to_datum(class_map[np.newaxis], label=0)
        else:
            is_same = options.colours is None or np.array_equal(np.asarray(image), class_map)
            data = _label_png(image, data, path) if is_same else None
            datum = encoded_datum(data or png.encode_label(class_map), shape, label=0)
        return image.size, counts, datum.SerializeToString()


def stored_mode(image, channels):
    """The mode, "L" or "RGB", in which an image is stored under a channel conversion."""
    if channels == "none":
        return "L" if image.mode in ("1", "L", "LA") or image.mode.startswith("I") else "RGB"
    return {"color": "RGB", "grey": "L"}[channels]


def image_shape(size, mode):
    """(C, H, W) of an image of `size` (width, height) in mode "L" or "RGB"."""
    return (3 if mode == "RGB" else 1, size[1], size[0])


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def _is_stored_already(image, data, mode, encoding):
    """Whether the file's own bytes are what would be stored, to any decoder."""
    if image.format != encoding.upper() or image.mode != mode:
        return False
    if encoding == "png":
        # One with a transparent colour would be four channels to Caffe.
        kind = {"L": png.GREY, "RGB": png.RGB}[mode]
        return png.colour_type(data) == kind and "transparency" not in image.info
    # OpenCV turns photographs that say how the camera was held; Caffe's decoder is OpenCV's.
    return image.getexif().get(_EXIF_ORIENTATION, 1) == 1


def _label_png(image, data, path):
    """A label file's bytes as a grey PNG of its values, or None where they have to be encoded."""
    kind = png.colour_type(data)
    if kind not in (png.GREY, png.PALETTED):
        return None
    if kind == png.GREY and "transparency" not in image.info:
        for _ in png.chunks(data, path):
            pass  # which checks them
        return data
    return png.paletted_to_grey(data, path)


def _past_classes(class_map, classes, path):
    row, column = np.argwhere((class_map >= classes) & (class_map != IGNORE_LABEL))[0].tolist()
    return (
        f"{path}: label {class_map[row, column]} at x={column}, y={row} is past the {classes} "
        f"classes (0 to {classes - 1}, {IGNORE_LABEL} = ignore): check the class names, or mend "
        f"the label"
    )
