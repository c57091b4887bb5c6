"""Reads and writes label images: H x W uint8 class indices, 255 = ignore."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from caffeformat import InputError, atomic_write

from .palette import IGNORE_COLOUR, IGNORE_LABEL, count_colours, own_colours
from .pictures import deep_samples
from .reading import load_pixels, open_image, pages_of, sample_values, source_name

if TYPE_CHECKING:
    import os

    from numpy.typing import ArrayLike, NDArray

    from .reading import ImageSource


ADE20K_ADVICE = (
    "take its 150 classes for scene parsing (ADEChallengeData2016, annotations), or write the "
    "indices of the classes that you choose"
)
_PANOPTIC = re.compile("panoptic", re.IGNORECASE)
_ADE20K, _MOST_RED = re.compile(r"\bADE_[a-z]+_\d{8}", re.IGNORECASE), 150


def read_label(
    source: ImageSource, colours: ArrayLike | None = None, name: str | None = None
) -> NDArray[np.uint8]:
    """Read a label file (path or bytes) as H x W uint8 class indices.

    Without `colours`, paletted files give their indices and grey files their samples, whatever the
    number of bits. With `colours` (N x 3 uint8, N <= 256, for instance a palette), a pixel's class
    is the index of its colour, in colour, grey and paletted files alike. Pixels are read as stored:
    an EXIF orientation is ignored.

    Raises `InputError` for a colour file without `colours`, for a colour that is not among them,
    for values above 255, for several pages, and for transparency.
    """
    name = name or source_name(source, "label")
    with open_image(source, name) as image:
        return label_array(load_pixels(image, name), colours, name)


def label_array(image: Image.Image, colours: ArrayLike | None, name: str) -> NDArray[np.uint8]:
    """Convert a decoded `PIL.Image` to H x W uint8 class indices; `colours` as in `read_label`."""
    pages = pages_of(image)
    if pages != 1:
        found = f"holds {pages} pages" if pages else "has a damaged list of pages"
        raise InputError(
            f"{name}: {found}, expected one label: save the page that holds the label as a file of "
            "its own"
        )
    if image.mode == "P":
        return _paletted_to_indices(image, colours, name)
    deep = deep_samples(image, name)
    if deep is not None:
        return _deep_to_indices(deep, colours, name)
    if image.mode in ("LA", "RGBA"):
        lowest = image.getchannel("A").getextrema()[0]
        if lowest != 255:
            raise InputError(
                f"{name}: some pixels are transparent (opacity {lowest} of 255), expected a label "
                "without transparency: save it without an alpha channel"
            )
        image = _without_alpha(image)
    if colours is not None and image.format in ("JPEG", "MPO") and _are_black_and_white(colours):
        greys = _nearest_of_black_and_white(image)
        if greys is not None:
            return _greys_to_indices(greys, colours, name)
    if image.mode in ("L", "1", "F") or image.mode.startswith("I"):
        if colours is not None:
            return _greys_to_indices(_shown_greys(image, name), colours, name)
        return _samples_to_indices(sample_values(image), name)
    if image.mode == "RGB":
        if colours is None and is_ade20k(image, name):
            raise InputError(
                f"{name}: seems to be a label of the whole ADE20K, whose class is R / 10 * 256 + "
                f"G, one of 3,000 and more: expected indices of up to 255 classes; {ADE20K_ADVICE}"
            )
        if colours is None:
            raise _no_colour_map(name)
        return colours_to_indices(np.asarray(image), colours, name)
    raise InputError(f"{name}: expected a paletted, grey or RGB label, found mode {image.mode}")


def _no_colour_map(name: str) -> InputError:
    if _PANOPTIC.search(name):
        return InputError(
            f"{name}: seems to be a panoptic label, whose colours number segments: expected class "
            "indices; make them with panopticapi (converters/panoptic2semantic_segmentation.py), "
            "or take the dataset's semantic labels"
        )
    return InputError(
        f"{name}: expected class indices (a paletted or grey image), found RGB colours: pass "
        "{option}, the colour map that specifies each class's colour",
        option="colours",
    )


def _deep_to_indices(
    samples: NDArray[Any], colours: ArrayLike | None, name: str
) -> NDArray[np.uint8]:
    """The class indices of H x W x C samples of 16 bits: grey or RGB, perhaps with opacity."""
    if samples.shape[2] in (2, 4):
        lowest = samples[..., -1].min(initial=0xFFFF)
        if lowest != 0xFFFF:
            raise InputError(
                f"{name}: some pixels are transparent (opacity {lowest} of 65535), expected a "
                "label without transparency: save it without an alpha channel"
            )
        samples = samples[..., :-1]
    if samples.shape[2] == 1 and colours is None:
        return _samples_to_indices(samples[..., 0], name)
    if colours is None:
        raise _no_colour_map(name)
    shown = _in_8_bits(samples, name)
    if samples.shape[2] == 1:
        return _greys_to_indices(shown[..., 0], colours, name)
    return colours_to_indices(shown, colours, name)


def is_ade20k(image: Image.Image, name: str) -> bool:
    """Whether a decoded label called `name` is one of ADE20K with all its classes.

    Its reds are tens, and few; ADE20K's labels for scene parsing are grey.
    """
    if image.mode != "RGB" or not _ADE20K.search(name):
        return False
    reds = np.asarray(image)[..., 0]
    return not (reds % 10).any() and bool(reds.max(initial=0) <= _MOST_RED)


def _without_alpha(image: Image.Image) -> Image.Image:
    opaque = image.convert(image.mode[:-1])
    opaque.info = image.info
    return opaque


def _are_black_and_white(colours: ArrayLike) -> bool:
    rows = np.asarray(colours, np.uint8).reshape(-1, 3)
    return len(rows) == 2 and set(map(tuple, rows.tolist())) == {(0, 0, 0), (255, 255, 255)}


def _nearest_of_black_and_white(image: Image.Image) -> NDArray[np.uint8] | None:
    """A mask that JPEG changed, in black and white again; None if it has areas of other greys.

    JPEG and smoothing leave greys between the two along borders, which are lines.
    """
    greys: NDArray[np.uint8] = np.asarray(image.convert("L"))
    between = np.pad((greys >= _DARKEST) & (greys < _LIGHTEST), 1, mode="edge")
    inside = between[1:-1, 1:-1].copy()
    for rows, columns in ((0, 1), (2, 1), (1, 0), (1, 2)):
        inside &= between[rows : rows + greys.shape[0], columns : columns + greys.shape[1]]
    if inside.sum() > _MOST_BETWEEN * greys.size:
        return None
    return np.where(greys < _MIDDLE, 0, 255).astype(np.uint8)


# Greys that are between black and white, and the share of pixels that may be among such alone.
_DARKEST, _MIDDLE, _LIGHTEST, _MOST_BETWEEN = 64, 128, 192, 0.0005


def _samples_to_indices(values: NDArray[Any], name: str) -> NDArray[np.uint8]:
    if values.dtype in (np.bool_, np.uint8):
        return np.array(values, np.uint8)
    # Values past a byte are told before the conversion, which is undefined for them and for NaN.
    is_index = (values >= 0) & (values <= IGNORE_LABEL)
    indices: NDArray[np.uint8] = np.where(is_index, values, 0).astype(np.uint8)
    if not is_index.all() or not np.array_equal(indices, values):
        row, column = np.argwhere(~is_index | (indices != values))[0].tolist()
        raise InputError(
            f"{name}: expected class indices 0..255, found {values[row, column]:g} at x={column}, "
            f"y={row} (values {np.nanmin(values):g} to {np.nanmax(values):g}): save the class's "
            f"index at each pixel, in 8 bits, and {IGNORE_LABEL} where pixels are to be ignored"
        )
    return indices


def _shown_greys(image: Image.Image, name: str) -> NDArray[np.uint8]:
    """A decoded grey image as H x W uint8, 0 black and 255 white whatever the number of bits."""
    if image.mode in ("L", "1"):
        return np.asarray(image.convert("L"))
    return _in_8_bits(np.asarray(image), name)


def _in_8_bits(values: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Samples of more bits as the bytes that show the same: they are those times 257, or 256.

    Raises `InputError` for all others.
    """
    shown: NDArray[np.uint8] = (values // 257).astype(np.uint8)
    if not np.any(values % 256) and values.max(initial=0) < 1 << 16:
        shown = (values // 256).astype(np.uint8)
    elif not np.array_equal(shown.astype(np.int64) * 257, values):
        what = "grey" if values.ndim == 2 or values.shape[2] == 1 else "colours"
        raise InputError(
            f"{name}: expected {what} of 8 bits to look up in the colour map, found values "
            f"{values.min()}..{values.max()} of 16 bits: save the labels with 8 bits"
        )
    return shown


def _greys_to_indices(greys: NDArray[np.uint8], colours: ArrayLike, name: str) -> NDArray[np.uint8]:
    used = np.unique(greys)
    colours = np.asarray(colours, np.uint8).reshape(-1, 3)
    unknown = used[~np.isin(used, colours[(colours == colours[:, :1]).all(1), 0])]
    if len(unknown):
        value = unknown[0]
        row, column = np.argwhere(greys == value)[0].tolist()
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise InputError(
            f"{name}: grey value {value} at x={column}, y={row}{more} is not in the colour map, "
            f"which holds for grey labels, too: add `{value} {value} {value}` in the line of its "
            "class, save the labels without smoothing or JPEG compression, or pass no colour map "
            "if they hold class indices"
        )
    table = np.zeros(256, np.uint8)
    table[used] = colours_to_indices(np.repeat(used[None, :, None], 3, 2), colours, name)[0]
    return table[greys]


def colours_to_indices(
    rgb: NDArray[np.uint8], colours: ArrayLike, name: str = "label"
) -> NDArray[np.uint8]:
    """Convert H x W x 3 uint8 RGB to H x W uint8 indices into `colours` (N x 3 uint8).

    Of equal colours the first counts. VOC's ignore colour (224, 224, 192) is 255 unless `colours`
    contains it. Raises `InputError` with the colour and its position if one is not in `colours`.
    """
    colours = np.asarray(colours, np.uint8).reshape(-1, 3)
    known = np.concatenate([_codes(colours), _codes(np.array([IGNORE_COLOUR], np.uint8))])
    indices = np.append(np.arange(len(colours)), IGNORE_LABEL).astype(np.uint8)
    known, first = np.unique(known, return_index=True)
    indices = indices[first]

    # Labels consist of runs: looking up each run once is several times faster than each pixel.
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


def write_label(
    path: str | os.PathLike[str], class_map: NDArray[np.uint8], palette: ArrayLike
) -> None:
    """Write H x W uint8 `class_map` atomically as a paletted PNG that keeps its indices."""
    class_map = np.ascontiguousarray(class_map)
    if class_map.ndim != 2 or class_map.dtype != np.uint8:
        raise ValueError(
            f"a class map is H x W uint8, not {class_map.dtype} of shape {class_map.shape}"
        )
    with atomic_write(path) as file:
        paletted_image(class_map, palette).save(file, format="PNG", bits=8)


def paletted_image(class_map: NDArray[np.uint8], palette: ArrayLike) -> Image.Image:
    """Make a paletted `PIL.Image` of H x W uint8 `class_map`."""
    image = Image.fromarray(np.ascontiguousarray(class_map))
    image.putpalette(np.asarray(palette, np.uint8).tobytes())
    return image


def _paletted_to_indices(
    image: Image.Image, colours: ArrayLike | None, name: str
) -> NDArray[np.uint8]:
    indices: NDArray[np.uint8] = np.array(image, np.uint8)
    if colours is None:
        return indices
    own = own_colours(image)
    colours = np.asarray(colours, np.uint8).reshape(-1, 3)
    used = np.unique(indices)
    past = used[(used >= len(own)) & (used != IGNORE_LABEL)]
    if len(past):
        row, column = np.argwhere(indices == past[0])[0].tolist()
        raise InputError(
            f"{name}: index {past[0]} at x={column}, y={row} is past its palette of {len(own)} "
            "colours, so that the colour map cannot tell its class: save the label with a whole "
            "palette, or pass no colour map if it holds class indices"
        )
    used = used[used < len(own)]
    # Rows past the last class repeat its colours; only the last one, to ignore, means something.
    classes = used[(used < count_colours(colours)) | (used == IGNORE_LABEL)]
    classes = classes[classes < len(colours)]
    if len(classes) == len(used) and np.array_equal(own[classes], colours[classes]):
        return indices
    # A palette may be filled up with one colour, often that of the background.
    if IGNORE_LABEL in used and (own[:IGNORE_LABEL] == own[IGNORE_LABEL]).all(1).any():
        raise InputError(
            f"{name}: pixels of index 255, which is ignored elsewhere, have the colour of a class "
            f"in its palette, {tuple(own[IGNORE_LABEL].tolist())}: save it with a palette of "
            "distinct colours, or pass no colour map if it holds class indices"
        )
    table = np.arange(256, dtype=np.uint8)
    if len(used):
        table[used] = colours_to_indices(own[used][None], colours, f"{name}: palette")[0]
    return table[indices]


def _codes(rgb: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """RGB (... x 3 uint8) as one integer per colour."""
    wide = rgb.astype(np.uint32)
    return wide[..., 0] << np.uint32(16) | wide[..., 1] << np.uint32(8) | wide[..., 2]


def _unknown_colours(rgb: NDArray[np.uint8], places: NDArray[Any], name: str) -> str:
    row, column = divmod(int(places[0]), rgb.shape[1])
    colours = sorted({tuple(rgb.reshape(-1, 3)[place].tolist()) for place in places.tolist()})
    more = f" and {len(colours) - 1} more" if len(colours) > 1 else ""
    return (
        f"{name}: colour {tuple(rgb[row, column].tolist())} at x={column}, y={row}{more} is not in "
        f"the colour map: add it, or save the labels without smoothing or JPEG compression"
    )
