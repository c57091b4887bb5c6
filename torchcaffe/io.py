"""pycaffe's `io`: images, Datums, BlobProtos, and the Transformer between images and nets.

Images are H x W x 3 float arrays, RGB, from 0 to 1, as pycaffe loads them.
"""

import numpy as np
from PIL import Image

from caffeformat import InputError, pb
from caffeformat import array_to_datum as _array_to_datum
from caffeformat import datum_to_array as _datum_to_array

from . import resampling

_GREY = np.array([0.2125, 0.7154, 0.0721])  # shares of R, G and B in scikit-image's grey


def load_image(filename, color=True):
    """The image at `filename`: H x W x 3 (or H x W x 1) float32 from 0 to 1, RGB."""
    try:
        with Image.open(filename) as image:
            if image.mode.startswith("I"):  # 16 bits
                pixels = np.asarray(image, float)[..., np.newaxis] / 65535
            elif image.mode in ("1", "L"):
                pixels = np.asarray(image.convert("L"), float)[..., np.newaxis] / 255
            else:
                pixels = np.asarray(image.convert("RGB"), float) / 255
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{filename}: cannot be read as an image: {error}") from error
    if color and pixels.shape[2] == 1:
        pixels = np.tile(pixels, (1, 1, 3))
    elif not color and pixels.shape[2] == 3:
        pixels = (pixels @ _GREY)[..., np.newaxis]
    return pixels.astype(np.float32)


def resize_image(im, new_dims, interp_order=1):
    """`im` (H x W x K) at `new_dims` (height, width), each channel by itself, as float32.

    `interp_order`: 0 nearest pixel, 1 linear, 3 cubic. As pycaffe does it: images of one or three
    channels are smoothed where they shrink and fade to their smallest value at the border where
    they grow; images of other channels are sampled from corner to corner (see `resampling`).
    """
    if interp_order not in resampling.ORDERS:
        raise InputError(
            f"interp_order is {interp_order}; known: {', '.join(map(str, resampling.ORDERS))}."
        )
    height, width = (int(size) for size in new_dims)
    im = np.asarray(im, np.float32)
    if im.ndim != 3 or min(*im.shape, height, width) < 1:
        raise InputError(f"cannot resize an image of shape {im.shape} to {height} x {width}.")
    if im.shape[2] not in (1, 3):
        return resampling.zoom(im, height, width, interp_order).astype(np.float32)
    low, high = float(im.min()), float(im.max())
    if low == high:
        return np.full((height, width, im.shape[2]), low, np.float32)
    unit = resampling.resize_smooth((im - low) / (high - low), height, width, interp_order)
    return (unit * (high - low) + low).astype(np.float32)


def oversample(images, crop_dims):
    """The four corners and the centre of each image, and their mirror images: 10N x h x w x K."""
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


def blobproto_to_array(blob, return_diff=False):
    """The values (or diffs) of a BlobProto as an array."""
    values = np.array(blob.diff if return_diff else blob.data, np.float32)
    if any(blob.HasField(field) for field in ("num", "channels", "height", "width")):
        return values.reshape(blob.num, blob.channels, blob.height, blob.width)
    return values.reshape(tuple(blob.shape.dim))


def array_to_blobproto(arr, diff=None):
    """A BlobProto with the values of `arr`, and `diff` of the same shape."""
    blob = pb.BlobProto()
    blob.shape.dim.extend(arr.shape)
    blob.data.extend(np.asarray(arr, float).ravel().tolist())
    if diff is not None:
        blob.diff.extend(np.asarray(diff, float).ravel().tolist())
    return blob


def arraylist_to_blobprotovector_str(arraylist):
    """Arrays as a serialized BlobProtoVector."""
    return pb.BlobProtoVector(blobs=map(array_to_blobproto, arraylist)).SerializeToString()


def blobprotovector_str_to_arraylist(data):
    """The arrays of a serialized BlobProtoVector."""
    return [blobproto_to_array(blob) for blob in pb.BlobProtoVector.FromString(data).blobs]


def array_to_datum(arr, label=None):
    """A Datum of a C x H x W array: bytes from uint8, floats from anything else."""
    return _array_to_datum(arr, label)


def datum_to_array(datum):
    """The C x H x W array of a Datum; an encoded image is decoded."""
    return _datum_to_array(datum)


class Transformer:
    """Brings images into the form of a net's inputs and back; everything is set an input.

    `inputs` maps input names to their blobs' shapes. `preprocess` does, in this order: resize,
    `transpose`, `channel_swap`, `raw_scale`, `mean`, `input_scale`.
    """

    def __init__(self, inputs):
        self.inputs = inputs
        self.transpose, self.channel_swap, self.raw_scale = {}, {}, {}
        self.mean, self.input_scale = {}, {}

    def _check(self, in_):
        if in_ not in self.inputs:
            raise InputError(f'"{in_}" is no input of the net; inputs: {", ".join(self.inputs)}.')

    def preprocess(self, in_, data):
        """The image `data` (H x W x K) as input `in_` (K x h x w)."""
        self._check(in_)
        result = np.asarray(data).astype(np.float32, copy=False)
        size = tuple(self.inputs[in_][2:])
        if result.shape[:2] != size:
            result = resize_image(result, size)
        if in_ in self.transpose:
            result = result.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            result = result[list(self.channel_swap[in_])]
        if in_ in self.raw_scale:
            result = result * self.raw_scale[in_]
        if in_ in self.mean:
            result = result - self.mean[in_]
        if in_ in self.input_scale:
            result = result * self.input_scale[in_]
        return result

    def deprocess(self, in_, data):
        """The image (H x W x K) of which `preprocess` would make `data`, but for its size."""
        self._check(in_)
        result = np.squeeze(data).astype(np.float32)
        if in_ in self.input_scale:
            result = result / self.input_scale[in_]
        if in_ in self.mean:
            result = result + self.mean[in_]
        if in_ in self.raw_scale:
            result = result / self.raw_scale[in_]
        if in_ in self.channel_swap:
            result = result[np.argsort(self.channel_swap[in_])]
        if in_ in self.transpose:
            result = result.transpose(np.argsort(self.transpose[in_]))
        return result

    def set_transpose(self, in_, order):
        """The order of axes that the input has, such as (2, 0, 1) for H x W x K images."""
        self._check(in_)
        if len(order) != len(self.inputs[in_]) - 1:
            raise InputError(f"the order {order} must have one number for each axis of an image.")
        self.transpose[in_] = order

    def set_channel_swap(self, in_, order):
        """The order of channels that the input has, such as (2, 1, 0) for BGR."""
        self._check(in_)
        if len(order) != self.inputs[in_][1]:
            raise InputError(f"the order {order} must have one number for each channel.")
        self.channel_swap[in_] = order

    def set_raw_scale(self, in_, scale):
        """What pixels are multiplied by before the mean is subtracted, such as 255."""
        self._check(in_)
        self.raw_scale[in_] = scale

    def set_mean(self, in_, mean):
        """What is subtracted: K numbers, or an image of K x height x width, resized to fit."""
        self._check(in_)
        mean, shape = np.asarray(mean), tuple(self.inputs[in_][1:])
        if mean.ndim == 1:
            if len(mean) not in (1, shape[0]):
                raise InputError(f"the mean has {len(mean)} channels, the input {shape[0]}.")
            mean = mean[:, np.newaxis, np.newaxis]
        elif mean.ndim not in (2, 3):
            raise InputError(
                f"the mean has shape {mean.shape}; expected one number a channel, or an image like "
                f"the input, {shape}."
            )
        elif mean.shape != shape[-mean.ndim :]:
            image = mean.reshape((-1, *mean.shape[-2:])).transpose(1, 2, 0)
            mean = resize_image(image, shape[1:]).transpose(2, 0, 1)
        self.mean[in_] = mean

    def set_input_scale(self, in_, scale):
        """What everything is multiplied by at the end."""
        self._check(in_)
        self.input_scale[in_] = scale
