"""Reads images that were saved as NumPy arrays: `.npy`, or `.npz` of one array."""

from __future__ import annotations

import contextlib
import io
import math
import zipfile
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from caffeformat import DAMAGE, InputError, reason
from caffeformat.files import open_file

from .reading import MAX_PIXELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from .reading import ImageSource
    from .tiff_files import TiffFile

# Hyperspectral cameras have some hundred channels.
MAX_CHANNELS = 1024
MAX_IMAGE_BYTES = 1 << 30

# Integers up to here are float32 numbers.
_EXACT = 1 << 24


class ArrayFile(NamedTuple):
    """A file of one image: its (H, W, C), the depth that its samples become, and their reader."""

    shape: tuple[int, int, int]
    depth: str
    pixels: Callable[[], NDArray[Any]]


def open_array_file(source: ImageSource, name: str, are_masks: bool = False) -> ArrayFile:
    """Open a `.npy` or `.npz` file, a path or its content, and check its header.

    Booleans are refused unless the array holds masks: as an image, 0 and 1 would both be black.
    """
    with _opened(source, name) as file:
        shape, dtype = _header(file)
    if dtype.kind == "b" and are_masks:
        dtype = np.dtype(np.uint8)
    shape = image_shape(shape, name)
    return ArrayFile(shape, depth_of(dtype, name), lambda: _pixels(source, name, shape))


def grey_image(source: ImageSource, name: str) -> Image.Image:
    """The array in a `.npy` or `.npz` file as a `PIL.Image` of mode L, I;16 or F.

    Booleans, which masks often are, become 0 and 1.
    """
    found = open_array_file(source, name, are_masks=True)
    advice = "of scores or masks of each class, save the index of the highest one (argmax)"
    return only_channel(found, f"{name}: holds {found.shape[2]} channels", advice)


def only_channel(found: ArrayFile | TiffFile, problem: str, advice: str) -> Image.Image:
    """The class indices of a file with one channel; `InputError` of `problem` and `advice`."""
    if found.shape[2] != 1:
        raise InputError(f"{problem}, expected one, of class indices: {advice}")
    return Image.fromarray(found.pixels()[..., 0])


def _pixels(source: ImageSource, name: str, shape: tuple[int, int, int]) -> NDArray[Any]:
    with _opened(source, name) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return plain_samples(array, name).reshape(shape)


@contextlib.contextmanager
def _opened(source: ImageSource, name: str) -> Iterator[Any]:
    """A file of NumPy's format in or at `source`; what goes wrong is an `InputError`."""
    try:
        with contextlib.ExitStack() as stack:
            file: Any = (
                io.BytesIO(source)
                if isinstance(source, (bytes, bytearray, memoryview))
                else stack.enter_context(open_file(source))
            )
            if file.read(2) == b"PK":
                archive = stack.enter_context(zipfile.ZipFile(file))
                names = archive.namelist()
                if len(names) != 1:
                    found = ", ".join(names[:5]) or "none"
                    raise InputError(f"{name}: expected one array, found {found}: save it alone")
                file = stack.enter_context(archive.open(names[0]))
            else:
                file.seek(0)
            yield file
    except InputError:
        raise
    except DAMAGE as error:
        text = f"{name}: cannot be read as a NumPy array: {reason(error)}"
        raise InputError(text) from error


def _header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """(shape, type) of the array in a file of NumPy's format."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"version {version} of the format")
    return shape, dtype


def image_shape(shape: tuple[int, ...], name: str) -> tuple[int, int, int]:
    """(H, W, C) of an array of `shape`; `InputError` where it is no image, or too large."""
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise InputError(
            f"{name}: holds an array of shape {shape}, expected height x width, or height x width "
            "x channels"
        )
    height, width, channels = (*shape, 1)[:3]
    if channels > MAX_CHANNELS:
        raise InputError(
            f"{name}: would have {channels} channels (shape {shape}), expected at most "
            f"{MAX_CHANNELS}: the order is height x width x channels"
        )
    if height * width > MAX_PIXELS or 4 * math.prod(shape) > MAX_IMAGE_BYTES:
        raise InputError(
            f"{name}: refused: its header says {width} x {height} in {channels} channels, expected "
            f"at most {MAX_PIXELS} pixels and {MAX_IMAGE_BYTES >> 20} MB: scale it down first"
        )
    return height, width, channels


def depth_of(dtype: np.dtype[Any], name: str) -> str:
    """What `plain_samples` makes of this type; `InputError` for types that are not numbers."""
    if dtype.kind in "iuf":
        known = {("u", 1): "uint8", ("u", 2): "uint16"}
        return known.get((dtype.kind, dtype.itemsize), "float32")
    raise InputError(
        f"{name}: holds values of type {dtype}, expected numbers: save it as one array of uint8, "
        "uint16 or float32"
    )


def plain_samples(array: NDArray[Any], name: str) -> NDArray[Any]:
    """`array` as uint8, uint16 or float32, which all other numbers become.

    Raises `InputError` for integers that float32 would round, and for NaN and infinity.
    """
    if array.dtype.kind == "b":
        array = array.view(np.uint8)
    kind = depth_of(array.dtype, name)
    if array.dtype.kind in "iu":
        if kind == "float32" and array.size and not -_EXACT <= array.min() <= array.max() <= _EXACT:
            raise InputError(
                f"{name}: holds integers of {array.min()} to {array.max()}, which float32 would "
                "round: scale them down, or save 16 bits"
            )
    elif not np.isfinite(array).all():
        raise InputError(
            f"{name}: holds values that are not finite numbers (NaN or infinity): fill them first"
        )
    plain: NDArray[Any] = array.astype(kind)
    return plain
