"""Finds labels that are probably not what they look like, from what was counted of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fcnkit.images import IGNORE_LABEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PIL import Image

BLACK_AND_WHITE = "only 0 and 255"
SHADES = "shades of grey"
FROM_ONE = "no pixel of class 0"
UNUSED_CLASS = "class without a pixel"
LOSSY = "lossy labels"

# What each finding means, and what to do about it.
ADVICE = {
    BLACK_AND_WHITE: "255 is ignored, so one class is left. If white is a class, read the labels "
    "with the colour map `binary`, or with one that lists `0 0 0` and `255 255 255`",
    SHADES: "class indices are 0, 1, 2 and so on. If these are shades of grey that stand for "
    "classes, or for pixels to ignore, read the labels with a colour map that lists them; if they "
    "are indices, pass the class names",
    FROM_ONE: "class indices count from 0. If these labels count from 1, read them with a colour "
    "map that begins with the colour of 1 (`1 1 1` in grey labels); if no pixel shows the first "
    "class, pass the class names",
    UNUSED_CLASS: "and many pixels are 255, which is ignored: is that class stored as 255? Then "
    "read the labels with a colour map",
    LOSSY: "JPEG changes class indices at every border, also of a PNG that was made of a JPEG: "
    "save the labels as PNG from the start",
}

# Of a label that has the size of its image's stored pixels, with the EXIF orientation.
_ORIENTATION_ADVICE = (
    " as shown: the label fits the pixels as stored, not the image as its EXIF orientation ({}) "
    "turns it. Turn the label, or remove the orientation from the image"
)

# Contours to ignore are some 5% of VOC's pixels; a larger share beside a class that never occurs
# may be that class.
_LARGE_SHARE = 0.0625

# Indices of few images may have gaps, but hardly all be multiples of such a number, if they are
# many or not, nor fill so little of the range up to a high one.
_STEP_OF_MANY, _STEP_OF_ONE = 5, 32
_HIGH, _GAPS = 32, 8

# Values that a finding lists.
_SHOWN = 12

# Values of one label that are looked at for being scattered, as those of blurred borders are.
_MANY_VALUES, _MOST_SCATTERED = 16, 0.25

# JPEG, ITU-T T.81: blocks of 8 x 8 samples, whose mean is stored in steps of quantizer / 8.
_BLOCK = 8


def size_advice(label: tuple[int, int], image: tuple[int, int], turned: int, channels: int) -> str:
    """What to do about a label of another (width, height) than its image, if it can be told.

    `turned` is the image's EXIF orientation. The text begins with the reason, if there is one.
    """
    if (channels, image[0]) == label:
        return (
            f" in {channels} channels: the image seems to be an array of channels x height x "
            "width; save it as height x width x channels"
        )
    if turned >= 5 and label == image[::-1]:
        return _ORIENTATION_ADVICE.format(turned)
    if label == image[::-1]:
        return ": one of them is turned by 90 degrees; turn it back"
    return ": scale the label to its image's size without smoothing (nearest neighbour)"


def past_advice(label: int, classes: int) -> str:
    """What to do about a label past so many classes, beyond correcting it or them."""
    if label != classes:
        return ""
    return (
        f"; if the labels count from 1 to {classes}, read them with a colour map that begins with "
        "the colour of 1 (`1 1 1` in grey labels)"
    )


def is_black_and_white(counts: NDArray[np.int64]) -> bool:
    """Whether a label with these pixels of each of 256 values holds 0 and 255 and nothing else."""
    return bool(counts[0] and counts[IGNORE_LABEL] and not counts[1:IGNORE_LABEL].any())


def doubtful_pixels(label: Image.Image, counts: NDArray[np.int64] | None = None) -> int | None:
    """How many pixels of a decoded label may be wrong by lossy compression; None if it is lossless.

    In a JPEG these are the blocks that are not uniform, and all pixels where the mean of a block is
    stored in steps of more than one value, or where it is within a TIFF. In other files, which may
    have been made of a JPEG, they are pixels of values that occur alone, if most values do, and
    side by side; `counts` are the pixels of each of 256 values, if they are known.
    """
    if label.format == "TIFF" and str(label.info.get("compression")).endswith("jpeg"):
        return label.size[0] * label.size[1]
    if label.format not in ("JPEG", "MPO"):
        return _scattered_pixels(label, counts)
    tables = getattr(label, "quantization", None) or {0: [_BLOCK + 1]}
    pixels = label.size[0] * label.size[1]
    if label.mode != "L" or tables[min(tables)][0] > _BLOCK:
        return pixels
    values = np.asarray(label)
    height, width = (-(-extent // _BLOCK) * _BLOCK for extent in values.shape)
    padding = ((0, height - values.shape[0]), (0, width - values.shape[1]))
    blocks = np.pad(values, padding, mode="edge").reshape(
        height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK
    )
    mixed = blocks.max((1, 3)) != blocks.min((1, 3))
    whole = np.repeat(np.repeat(mixed, _BLOCK, 0), _BLOCK, 1)
    return int(whole[: values.shape[0], : values.shape[1]].sum())


def _scattered_pixels(label: Image.Image, counts: NDArray[np.int64] | None) -> int | None:
    """The pixels of values most of whose pixels have no neighbour of their value.

    None if there are few values, if less than half of them are such, as classes make areas, or if
    that is a large share of all pixels, as blurred borders are not. Most of these pixels have to
    lie beside others of them: blurred borders are bands, but points of classes lie alone.
    """
    if label.mode not in ("L", "P"):
        return None
    if counts is None or np.count_nonzero(counts) >= _MANY_VALUES:
        counts = np.array(label.histogram(), np.int64)
    histogram = counts[:IGNORE_LABEL]
    used = np.flatnonzero(histogram)
    if len(used) < _MANY_VALUES:
        return None
    values: NDArray[np.uint8] = np.asarray(label)
    has_like = _beside(values[1:] == values[:-1], values[:, 1:] == values[:, :-1])
    alone = np.bincount(values[~has_like], minlength=IGNORE_LABEL + 1)
    scattered = used[2 * alone[used] >= histogram[used]]
    pixels = int(histogram[scattered].sum())
    if 2 * len(scattered) < len(used) or pixels > _MOST_SCATTERED * values.size:
        return None
    is_scattered = np.isin(np.arange(IGNORE_LABEL + 1), scattered)[values]
    both = _beside(is_scattered[1:] & is_scattered[:-1], is_scattered[:, 1:] & is_scattered[:, :-1])
    return pixels if 2 * np.count_nonzero(both) >= pixels else None


def _beside(rows: NDArray[np.bool_], columns: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """H x W: pixels of a pair of neighbours that is true in (H - 1) x W or in H x (W - 1)."""
    found = np.zeros((columns.shape[0], rows.shape[1]), bool)
    found[1:] |= rows
    found[:-1] |= rows
    found[:, 1:] |= columns
    found[:, :-1] |= columns
    return found


def _are_shades(used: NDArray[np.int64]) -> bool:
    """Whether the values that labels use look like shades of grey, and not like indices."""
    if len(used) < 2:
        return bool(used[0] >= _STEP_OF_ONE)
    highest = used[-1]
    step = np.gcd.reduce(used)
    is_sparse = highest >= _HIGH and highest >= _GAPS * len(used)
    return bool(is_sparse or step >= (_STEP_OF_ONE if len(used) == 2 else _STEP_OF_MANY))


def find(
    pixels: NDArray[np.int64],
    labels: int,
    black_and_white: int,
    names: Sequence[str] = (),
    lossy: int = 0,
    doubtful: int = 0,
) -> dict[str, str]:
    """Return {finding: detail} for a whole dataset.

    pixels            pixels of each of the 256 values
    labels            number of labels, of which `black_and_white` hold only 0 and 255
    names             class names, if known
    lossy, doubtful   number of lossy labels, and of their doubtful pixels
    """
    found = {}
    every = int(pixels.sum())
    ignored = pixels[IGNORE_LABEL] / every if every else 0.0
    if black_and_white and 2 * black_and_white >= labels:
        found[BLACK_AND_WHITE] = f"{black_and_white} of {labels} labels"
    used = np.flatnonzero(pixels[:IGNORE_LABEL])
    # Names say what there is to find, and lossy labels hold values of their own.
    if not names and not lossy and len(used):
        if _are_shades(used):
            shown = ", ".join(map(str, used[:_SHOWN].tolist()))
            found[SHADES] = f"the values are {shown}{', ...' if len(used) > _SHOWN else ''}"
        elif used[0] > 0:
            found[FROM_ONE] = f"the values begin with {used[0]}"
    unused = [name for i, name in enumerate(names) if not pixels[i]]
    # A few images of a dataset of many classes do not show most of them.
    if 0 < len(unused) <= len(names) / 2 and ignored > _LARGE_SHARE:
        more = f" and {len(unused) - 1} more" if len(unused) > 1 else ""
        found[UNUSED_CLASS] = f"{unused[0]}{more}, while {ignored:.1%} of all pixels are 255"
    if lossy:
        share = doubtful / every if every else 0.0
        found[LOSSY] = f"{lossy} of {labels} labels, {share:.1%} of all pixels in doubt"
    return found
