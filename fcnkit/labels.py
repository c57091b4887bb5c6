"""Label images as H x W uint8 class indices, 255 = ignore."""

import os

import numpy as np
from PIL import Image

from caffeformat import InputError
from caffeformat.files import atomic_write

from .images import load_pixels, open_image
from .palette import IGNORE_COLOUR, IGNORE_LABEL


def read_label(source, colours=None, name=None):
    """A label file (path or bytes) as H x W uint8 class indices.

    Paletted files give their indices, grey files their values, colour files the index of each
    pixel's colour in `colours` (N x 3 uint8, N <= 256, for instance a palette). Where `colours` is
    given and a paletted file has other colours at the indices it uses, its pixels go by colour too.

    Raises `InputError` for a colour file without `colours`, for a colour that is not among them,
    and for values past 255.
    """
    is_bytes = isinstance(source, (bytes, bytearray, memoryview))
    name = name or ("label" if is_bytes else os.fspath(source))
    with open_image(source, name) as image:
        return label_array(load_pixels(image, name), colours, name)


def label_array(image, colours, name):
    """A decoded `PIL.Image` as H x W uint8 class indices; `colours` as in `read_label`."""
    if image.mode == "P":
        return _paletted_to_indices(image, colours, name)
    if image.mode in ("L", "1"):
        return np.array(image, np.uint8)
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.size and (values.min() < 0 or values.max() > 255):
            raise InputError(
                f"{name}: expected class indices 0..255, found {values.min()}..{values.max()}"
            )
        return values.astype(np.uint8)
    if image.mode in ("RGB", "RGBA"):
        if colours is None:
            raise InputError(
                f"{name}: expected class indices (a paletted or grey image), found {image.mode} "
                f"colours: say which class each colour is with a colour map (--colour-map: a text "
                f"file with `R G B` a line, a paletted label image, or `voc`)"
            )
        return colours_to_indices(np.asarray(image)[..., :3], colours, name)
    raise InputError(f"{name}: expected a paletted, grey or RGB label, found mode {image.mode}")


def colours_to_indices(rgb, colours, name="label"):
    """H x W x 3 uint8 RGB to H x W uint8 indices into `colours` (N x 3 uint8).

    The first of equal colours counts. VOC's ignore colour (224, 224, 192) is 255 unless `colours`
    says otherwise. Raises `InputError` with the colour and its place where one is not in `colours`.
    """
    colours = np.asarray(colours, np.uint8).reshape(-1, 3)
    known = np.concatenate([_codes(colours), _codes(np.array([IGNORE_COLOUR], np.uint8))])
    indices = np.append(np.arange(len(colours)), IGNORE_LABEL).astype(np.uint8)
    known, first = np.unique(known, return_index=True)
    indices = indices[first]

    # Labels are made of runs: looking up each run once is several times faster than each pixel.
    codes = _codes(rgb).ravel()
    if codes.size == 0:
        return np.zeros(rgb.shape[:2], np.uint8)
    starts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
    run_codes = codes[starts]
    place = np.minimum(np.searchsorted(known, run_codes), len(known) - 1)
    unknown = known[place] != run_codes
    if unknown.any():
        raise InputError(_unknown_colours(rgb, starts[unknown], name))
    lengths = np.diff(np.append(starts, codes.size))
    return np.repeat(indices[place], lengths).reshape(rgb.shape[:2])


def write_label(path, class_map, palette):
    """Write H x W uint8 `class_map` as a paletted PNG that keeps its indices, atomically."""
    class_map = np.ascontiguousarray(class_map)
    if class_map.ndim != 2 or class_map.dtype != np.uint8:
        raise ValueError(
            f"a class map is H x W uint8, not {class_map.dtype} of shape {class_map.shape}"
        )
    image = Image.fromarray(class_map)
    image.putpalette(np.asarray(palette, np.uint8).tobytes())
    with atomic_write(path) as file:
        image.save(file, format="PNG", bits=8)


def _paletted_to_indices(image, colours, name):
    indices = np.array(image, np.uint8)
    if colours is None:
        return indices
    own = np.array(image.getpalette(), np.uint8).reshape(-1, 3)
    used = np.unique(indices)
    used = used[used < len(own)]
    colours = np.asarray(colours, np.uint8).reshape(-1, 3)
    inside = used[used < len(colours)]
    if len(inside) == len(used) and np.array_equal(own[inside], colours[inside]):
        return indices
    table = np.zeros(256, np.uint8)
    table[used] = colours_to_indices(own[used][None], colours, f"{name}: palette")[0]
    return table[indices]


def _codes(rgb):
    """RGB (... x 3 uint8) as one integer a colour."""
    rgb = rgb.astype(np.uint32)
    return rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]


def _unknown_colours(rgb, places, name):
    row, column = divmod(int(places[0]), rgb.shape[1])
    colours = sorted({tuple(rgb.reshape(-1, 3)[place].tolist()) for place in places.tolist()})
    more = f" and {len(colours) - 1} more" if len(colours) > 1 else ""
    return (
        f"{name}: colour {tuple(rgb[row, column].tolist())} at x={column}, y={row}{more} is not in "
        f"the colour map: add it, or save the labels without smoothing or JPEG compression"
    )
