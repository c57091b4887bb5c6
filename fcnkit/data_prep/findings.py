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
UNUSED_CLASS = "class without a pixel"
LOSSY = "lossy labels"

# What each finding means, and what to do about it.
ADVICE = {
    BLACK_AND_WHITE: "255 is ignored, so one class is left. If white is a class, read the labels "
    "with the colour map `binary`, or with one that lists `0 0 0` and `255 255 255`",
    SHADES: "class indices are 0, 1, 2 and so on. If these are shades of grey that stand for "
    "classes, read the labels with a colour map that lists them",
    UNUSED_CLASS: "and many pixels are 255, which is ignored: is that class stored as 255? Then "
    "read the labels with a colour map",
    LOSSY: "JPEG changes class indices at every border: save the labels as PNG",
}

# Of a label that has the size of its image's stored pixels, with the EXIF orientation.
ORIENTATION_ADVICE = (
    " as shown: the label fits the pixels as stored, not the image as its EXIF orientation ({}) "
    "turns it. Turn the label, or remove the orientation from the image"
)

# Contours to ignore are some 5% of VOC's pixels; a larger share beside a class that never occurs
# may be that class.
_LARGE_SHARE = 0.0625

# Indices of few images may have gaps, but hardly all be multiples of such a number.
_SHADE_STEP = 32

# JPEG, ITU-T T.81: blocks of 8 x 8 samples, whose mean is stored in steps of quantizer / 8.
_BLOCK = 8


def is_black_and_white(counts: NDArray[np.int64]) -> bool:
    """Whether a label with these pixels of each of 256 values holds 0 and 255 and nothing else."""
    return bool(counts[0] and counts[IGNORE_LABEL] and not counts[1:IGNORE_LABEL].any())


def doubtful_pixels(label: Image.Image) -> int | None:
    """How many pixels of a decoded label may be wrong by lossy compression; None if it is lossless.

    In a JPEG these are the blocks that are not uniform, and all pixels where the mean of a block is
    stored in steps of more than one value.
    """
    if label.format not in ("JPEG", "MPO"):
        return None
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
    if not names and np.gcd.reduce(used) >= _SHADE_STEP:
        found[SHADES] = f"the values are {', '.join(map(str, used.tolist()))}"
    unused = [name for i, name in enumerate(names) if not pixels[i]]
    # A few images of a dataset of many classes do not show most of them.
    if 0 < len(unused) <= len(names) / 2 and ignored > _LARGE_SHARE:
        more = f" and {len(unused) - 1} more" if len(unused) > 1 else ""
        found[UNUSED_CLASS] = f"{unused[0]}{more}, while {ignored:.1%} of all pixels are 255"
    if lossy:
        share = doubtful / every if every else 0.0
        found[LOSSY] = f"{lossy} of {labels} labels, {share:.1%} of all pixels in doubt"
    return found
