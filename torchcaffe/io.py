"""pycaffe's `io`: images, Datums, BlobProtos, and the Transformer between images and nets.

Images are H x W x 3 float arrays, RGB, from 0 to 1, as pycaffe loads them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from caffeformat import DAMAGE, InputError, open_file, pb, reason
from caffeformat import array_to_datum as _array_to_datum
from caffeformat import datum_to_array as _datum_to_array
from caffeformat.files import check_png_sums, check_tiff_colours, keep_bmp_indices
from torchcaffe import data as data_room

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Pillow knows formats that run other programs.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
_DAMAGE: tuple[type[Exception], ...] = (*DAMAGE, Image.DecompressionBombError)
_GREY = np.array([0.2125, 0.7154, 0.0721])  # weights of R, G and B in scikit-image's grey


def load_image(
    filename: str | os.PathLike[str] | IO[bytes], color: bool = True
) -> NDArray[np.float32]:
    """Load an image: H x W x 3 (without `color`: H x W x 1) from 0 to 1, RGB.

    `filename` may be a binary file that is open already, as in pycaffe; it stays open.
    """
    try:
        with _opened(filename) as file:
            check_png_sums(file)
            with Image.open(file, formats=_FORMATS) as image:
                check_tiff_colours(image, str(filename))
                keep_bmp_indices(image)
                pixels = _shares(image)
    except InputError:
        raise
    except _DAMAGE as error:
        raise InputError(f"{filename}: cannot be read as an image: {reason(error)}") from error
    if color and pixels.shape[2] == 1:
        pixels = np.tile(pixels, (1, 1, 3))
    elif not color and pixels.shape[2] == 3:
        pixels = (pixels @ _GREY)[..., np.newaxis]
    return pixels.astype(np.float32)


def _shares(image: Image.Image) -> NDArray[np.float64]:
    """The pixels of an image, H x W x 1 or 3, from 0 to 1."""
    if image.mode.startswith("I"):  # 16 bits
        return np.asarray(image, float)[..., np.newaxis] / 65535
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"), float)[..., np.newaxis] / 255
    return np.asarray(image.convert("RGB"), float) / 255


def _opened(
    file: str | os.PathLike[str] | IO[bytes],
) -> contextlib.AbstractContextManager[IO[bytes]]:
    if isinstance(file, (str, bytes, os.PathLike)):
        return open_file(file)
    return contextlib.nullcontext(file)


def resize_image(
    im: ArrayLike, new_dims: Sequence[int] | NDArray[np.int64], interp_order: int = 1
) -> NDArray[np.float32]:
    """Resize `im` (H x W x K) to `new_dims` (height, width), each channel independently.

    `interp_order`: 0 nearest pixel, 1 linear, 3 cubic. As in pycaffe, images of one or three
    channels are smoothed when they shrink, and fade to their smallest value at the border when
    they grow; images with other numbers of channels are sampled from corner to corner (see
    `resampling`).
    """
    if interp_order not in data_room.ORDERS:
        raise InputError(
            f"interp_order is {interp_order}; expected {', '.join(map(str, data_room.ORDERS))}."
        )
    height, width = (int(size) for size in new_dims)
    given = np.asarray(im)
    if given.ndim != 3 or min(*given.shape, height, width) < 1:
        raise InputError(f"cannot resize an image of shape {given.shape} to {height} x {width}.")
    if given.shape[2] not in (1, 3):
        return data_room.zoom(given, height, width, interp_order).astype(np.float32)
    image = given.astype(np.float32, copy=False)
    low, high = float(image.min()), float(image.max())
    if low == high:
        return np.full((height, width, image.shape[2]), low, np.float32)
    unit = data_room.resize_smooth((image - low) / (high - low), height, width, interp_order)
    return (unit * (high - low) + low).astype(np.float32)


def oversample(
    images: Iterable[NDArray[np.float32]], crop_dims: Sequence[int] | NDArray[np.int64]
) -> NDArray[np.float32]:
    """Crop each image at its corners and centre, and mirror the crops: 10N x h x w x K."""
    height, width = (int(size) for size in crop_dims)
    crops = []
    for image in images:
        bottom, right = image.shape[0] - height, image.shape[1] - width
        if bottom < 0 or right < 0:
            raise InputError(f"cannot crop {height} x {width} from an image of {image.shape[:2]}.")
        corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
        windows = [image[y : y + height, x : x + width] for y, x in corners]
        crops += windows + [window[:, ::-1] for window in windows]
    return np.array(crops, np.float32)


def blobproto_to_array(blob: pb.BlobProto, return_diff: bool = False) -> NDArray[np.float64]:
    """Convert the values (or diffs) of a BlobProto to an array of float64, as pycaffe does."""
    values = np.array(blob.diff if return_diff else blob.data, np.float64)
    if any(blob.HasField(field) for field in ("num", "channels", "height", "width")):
        return values.reshape(blob.num, blob.channels, blob.height, blob.width)
    return values.reshape(tuple(blob.shape.dim))


def array_to_blobproto(arr: NDArray[Any], diff: ArrayLike | None = None) -> pb.BlobProto:
    """Make a BlobProto with the values of `arr`, and with `diff`, which has the same shape."""
    blob = pb.BlobProto()
    blob.shape.dim.extend(arr.shape)
    blob.data.extend(np.asarray(arr, float).ravel().tolist())
    if diff is not None:
        blob.diff.extend(np.asarray(diff, float).ravel().tolist())
    return blob


def arraylist_to_blobprotovector_str(arraylist: Iterable[NDArray[Any]]) -> bytes:
    """Serialize arrays as a BlobProtoVector."""
    return pb.BlobProtoVector(blobs=map(array_to_blobproto, arraylist)).SerializeToString()


def blobprotovector_str_to_arraylist(data: bytes) -> list[NDArray[np.float64]]:
    """Parse a serialized BlobProtoVector into arrays."""
    return [blobproto_to_array(blob) for blob in pb.BlobProtoVector.FromString(data).blobs]


def array_to_datum(arr: NDArray[Any], label: int | None = None) -> pb.Datum:
    """Make a Datum of a C x H x W array: with bytes if it is uint8, with floats otherwise."""
    return _array_to_datum(arr, label)


def datum_to_array(datum: pb.Datum) -> NDArray[np.uint8] | NDArray[np.float64]:
    """Return the C x H x W array of a Datum, its floats as float64; an encoded image is decoded."""
    array = _datum_to_array(datum)
    return array if array.dtype == np.uint8 else array.astype(np.float64)


class Transformer:
    """Converts images to the form of a net's inputs and back, with settings for each input.

    `inputs` maps the names of inputs to the shapes of their blobs. `preprocess` applies, in this
    order: resizing, `transpose`, `channel_swap`, `raw_scale`, `mean`, `input_scale`.
    """

    def __init__(self, inputs: Mapping[str, Sequence[int]]) -> None:
        self.inputs = inputs
        self.transpose: dict[str, Sequence[int]] = {}
        self.channel_swap: dict[str, Sequence[int]] = {}
        self.raw_scale: dict[str, float] = {}
        self.mean: dict[str, NDArray[Any]] = {}
        self.input_scale: dict[str, float] = {}

    def _check(self, in_: str) -> None:
        if in_ not in self.inputs:
            names = ", ".join(self.inputs)
            raise InputError(f'"{in_}" is not an input of the net; inputs: {names}.')

    def preprocess(self, in_: str, data: ArrayLike) -> NDArray[np.float32]:
        """Convert the image `data` (H x W x K) for the input `in_` (K x h x w)."""
        self._check(in_)
        result = np.asarray(data).astype(np.float32, copy=False)
        size = tuple(self.inputs[in_][2:])
        if result.shape[:2] != size:
            result = resize_image(result, size)
        if in_ in self.transpose:
            result = result.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            result = result[list(self.channel_swap[in_])]
        # Each step ends in float32, as in pycaffe, whatever the mean's and the scales' types are.
        if in_ in self.raw_scale:
            result = (result * self.raw_scale[in_]).astype(np.float32, copy=False)
        if in_ in self.mean:
            result = (result - self.mean[in_]).astype(np.float32, copy=False)
        if in_ in self.input_scale:
            result = (result * self.input_scale[in_]).astype(np.float32, copy=False)
        return result

    def deprocess(self, in_: str, data: NDArray[Any]) -> NDArray[np.float32]:
        """Invert `preprocess`, except for resizing; returns an image (H x W x K)."""
        self._check(in_)
        result = np.squeeze(data).astype(np.float32)
        if in_ in self.input_scale:
            result = (result / self.input_scale[in_]).astype(np.float32, copy=False)
        if in_ in self.mean:
            result = (result + self.mean[in_]).astype(np.float32, copy=False)
        if in_ in self.raw_scale:
            result = (result / self.raw_scale[in_]).astype(np.float32, copy=False)
        if in_ in self.channel_swap:
            result = result[np.argsort(self.channel_swap[in_])]
        if in_ in self.transpose:
            result = result.transpose(np.argsort(self.transpose[in_]))
        return result

    def set_transpose(self, in_: str, order: Sequence[int]) -> None:
        """Set the order of the input's axes, such as (2, 0, 1) for H x W x K images."""
        self._check(in_)
        if len(order) != len(self.inputs[in_]) - 1:
            raise InputError(f"the order {order} must have one number per axis of an image.")
        self.transpose[in_] = order

    def set_channel_swap(self, in_: str, order: Sequence[int]) -> None:
        """Set the order of the input's channels, such as (2, 1, 0) for BGR."""
        self._check(in_)
        if len(order) != self.inputs[in_][1]:
            raise InputError(f"the order {order} must have one number per channel.")
        self.channel_swap[in_] = order

    def set_raw_scale(self, in_: str, scale: float) -> None:
        """Set the factor of pixels before the mean is subtracted, such as 255."""
        self._check(in_)
        self.raw_scale[in_] = scale

    def set_mean(self, in_: str, mean: ArrayLike) -> None:
        """Set what is subtracted: K numbers, or an image K x height x width, resized to fit."""
        self._check(in_)
        values, shape = np.asarray(mean), tuple(self.inputs[in_][1:])
        if values.ndim == 1:
            if len(values) not in (1, shape[0]):
                raise InputError(f"the mean has {len(values)} channels, the input {shape[0]}.")
            values = values[:, np.newaxis, np.newaxis]
        elif values.ndim not in (2, 3):
            raise InputError(
                f"the mean has shape {values.shape}; expected one number per channel, or an image "
                f"of the input's shape, {shape}."
            )
        elif values.shape != shape[-values.ndim :]:
            image = values.reshape((-1, *values.shape[-2:])).transpose(1, 2, 0)
            values = resize_image(image, shape[1:]).transpose(2, 0, 1)
        self.mean[in_] = values

    def set_input_scale(self, in_: str, scale: float) -> None:
        """Set the factor by which everything is multiplied at the end."""
        self._check(in_)
        self.input_scale[in_] = scale
