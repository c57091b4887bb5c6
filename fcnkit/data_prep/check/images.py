"""Reads the images of a dataset's entries: from files of any kind, or from Datums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from caffeformat import InputError, datum_to_array, parse_datum
from fcnkit.datasets import form_of_datum
from fcnkit.images import ImageForm, as_rgb, channels_last, load_pixels, open_picture, read_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


class ImageFacts(NamedTuple):
    """What an intact image is."""

    size: tuple[int, int]  # (width, height), as shown
    form: ImageForm  # channels and depth
    turned: int  # EXIF orientation, 1 for those of a database, which an engine does not turn
    misfit: str | None = None  # why it cannot have the form that was asked for


def check_image(source: str | bytes, name: str, form: ImageForm | None = None) -> ImageFacts:
    """Decode an image, a path or a serialized Datum; `InputError` if it is damaged.

    With a `form` the facts say whether it can have that form.
    """
    if isinstance(source, bytes):
        found = form_of_datum(source, name)
        array = datum_to_array(parse_datum(source, name))
        height, width = array.shape[1:]
        misfit = None
        if form is not None:
            misfit = _misfit(form, channels_last(array), name, False)
        return ImageFacts((width, height), found, 1, misfit)
    with open_picture(source) as picture:
        misfit = None
        if form is not None:
            misfit = _misfit(form, picture.pixels(), source, picture.has_alpha)
        elif picture.image is not None:
            load_pixels(picture.image, source)
        else:
            picture.pixels()
        found = ImageForm(picture.channels, picture.depth)
        return ImageFacts(picture.size, found, picture.turned, misfit)


def _misfit(form: ImageForm, image: NDArray[Any], name: str, has_alpha: bool) -> str | None:
    try:
        form.fit(image, name, has_alpha)
    except InputError as error:
        return str(error)
    return None


def show_image(
    source: str | bytes, name: str, bands: Sequence[int] | None = None
) -> NDArray[np.uint8]:
    """The image of an entry as H x W x 3 uint8 RGB; `bands` as in `as_rgb`."""
    image: NDArray[Any]
    if isinstance(source, bytes):
        form_of_datum(source, name)
        image = channels_last(datum_to_array(parse_datum(source, name)))
    else:
        image = read_image(source)
    return as_rgb(image, bands)
