"""What the images of a dataset are (channels and depth), from their headers alone."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

from PIL import Image

from caffeformat import DAMAGE, InputError, parse_datum, reason
from fcnkit.images import FORMATS, ImageForm, count_channels, open_picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# A JPEG may have this much, such as a preview, before the size of its picture.
_HEAD = 1 << 18
_DAMAGE: tuple[type[Exception], ...] = (*DAMAGE, Image.DecompressionBombError)


def form_of_datum(value: bytes, name: str, color: bool | None = None) -> ImageForm:
    """The channels and depth of a serialized Datum, as `datum_to_array` with `color` returns it.

    Encoded pictures are not decoded. Raises `InputError` for what is no Datum or no picture.
    """
    datum = parse_datum(value, name)
    if not datum.encoded:
        return ImageForm(max(1, datum.channels), "uint8" if datum.data else "float32")
    if color is not None:
        return ImageForm(3 if color else 1, "uint8")
    with _header(datum.data, name) as image:
        has_alpha = "A" in image.getbands() or "transparency" in image.info
        channels = 4 if has_alpha else 1 if image.mode in ("1", "L") else 3
        return ImageForm(channels, "uint8")


def size_of_datum(value: bytes, name: str) -> tuple[int, int]:
    """The (height, width) of a serialized Datum; as `form_of_datum` otherwise."""
    datum = parse_datum(value, name)
    if not datum.encoded:
        return datum.height, datum.width
    with _header(datum.data, name) as image:
        return image.height, image.width


@contextlib.contextmanager
def _header(encoded: bytes, name: str) -> Iterator[Image.Image]:
    try:
        with Image.open(io.BytesIO(encoded[:_HEAD]), formats=FORMATS) as image:
            yield image
    except _DAMAGE as error:
        raise InputError(f"{name}: its image cannot be read: {reason(error)}") from error


def form_of_file(path: str) -> ImageForm:
    """The channels and depth of an image file; raises as `open_picture`."""
    with open_picture(path) as picture:
        return ImageForm(picture.channels, picture.depth)


def size_of_file(path: str) -> tuple[int, int]:
    """The (height, width) of an image file as it is read; raises as `open_picture`."""
    with open_picture(path) as picture:
        width, height = picture.size
        return height, width


def describe_form(form: ImageForm) -> str:
    """`3 channels of uint8`."""
    return f"{count_channels(form.channels or 0)} of {form.depth}"


def can_become(form: ImageForm, channels: int) -> bool:
    """Whether an image of `form` can be read in `channels`: grey as colour, colour as grey."""
    return form.channels == channels or (form.channels, channels) in ((1, 3), (3, 1))


def common_channels(forms: Iterable[ImageForm]) -> int | None:
    """The number of channels to read all these images in: that of the first, but grey as colour."""
    first = None
    for form in forms:
        first = form.channels if first is None else first
        if first != 1 or form.channels == 3:
            return 3 if form.channels == 3 and first == 1 else first
    return first
