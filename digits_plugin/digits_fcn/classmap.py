"""Class maps computed from a network's outputs.

A class map is an H x W uint8 array of class indices, with 255 where there is no answer (the score
is NaN). It is argmax over the channels of a score blob; ties go to the lowest class, as
with `numpy.argmax`. The work is done in blocks of rows, so that a block's scores stay in the
processor's cache: one pass takes the maximum, another finds the lowest class that reaches it.
"""

from __future__ import absolute_import, division, unicode_literals

import collections

import numpy as np

from .errors import FcnError
from .text import shorten, to_text

IGNORE = 255
MAX_CLASSES = 256
MAX_PIXELS = 16 * 1024 * 1024
# 1 GiB of float32 scores: 21 classes at 4000 x 3000 fit, 256 classes at 1024 x 1024 just fit.
MAX_VALUES = 256 * 1024 * 1024
BLOCK_BYTES = 2 * 1024 * 1024

ClassMap = collections.namedtuple(
    "ClassMap",
    # name: the output blob; indices: H x W uint8; classes: the score channels, None for an output
    # that already was a class map; confidence: H x W uint8 (255 = certain) or None; best: H x W
    # float32, the winning score, or None; notes: sentences for the page.
    "name indices classes confidence best notes",
)


def as_chw(name, blob):
    """Return the blob as C x H x W. Accepts H x W, C x H x W and N x C x H x W with N = 1.

    Raises FcnError, naming the shape, for anything else, for an empty blob and past the limits.
    """
    array = np.asarray(blob)
    shape = " x ".join(str(n) for n in array.shape) or "a single number"
    what = "Output '%s' is %s" % (shorten(name), shape)
    if array.dtype.kind not in "fiub":
        raise FcnError("%s of type %s; expected numbers." % (what, array.dtype))
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    elif array.ndim == 2:
        array = array[np.newaxis]
    if array.ndim != 3 or not array.size:
        raise FcnError(
            "%s; expected a map of C x H x W (one score per class and pixel) or 1 x H x W "
            "(class indices). A network that ends in a vector classifies whole images: end it "
            "with a score layer that is not InnerProduct, or choose another visualization." % what
        )
    if array.shape[0] > MAX_CLASSES:
        raise FcnError(
            "%s; at most %d classes fit in a mask's 8 bits. Reduce the channels of the last layer."
            % (what, MAX_CLASSES)
        )
    if array.shape[1] * array.shape[2] > MAX_PIXELS or array.size > MAX_VALUES:
        raise FcnError(
            "%s; the limits are %d pixels and %d scores. Test a smaller image, or crop it."
            % (what, MAX_PIXELS, MAX_VALUES)
        )
    return array


def row_blocks(shape):
    """Return (first row, end row) pairs that cut C x H x W scores into cache-sized blocks."""
    channels, height, width = shape
    rows = max(1, BLOCK_BYTES // (4 * channels * width))
    return [(start, min(height, start + rows)) for start in range(0, height, rows)]


def argmax(scores):
    """Return the class of the highest score, and that score.

    scores: C x H x W, any real type. Returns (indices: H x W uint8, best: H x W of scores' type).
    A pixel with a NaN score gets 255. Ties go to the lowest class, as with `numpy.argmax`.
    """
    scores = np.asarray(scores)
    channels, height, width = scores.shape
    indices = np.empty((height, width), np.uint8)
    best = np.empty((height, width), scores.dtype)
    for start, stop in row_blocks(scores.shape):
        block = scores[:, start:stop]
        top = best[start:stop]
        np.max(block, axis=0, out=top)
        # The winner is stored as 255 - class: the lowest class is then the largest number, and NaN,
        # which equals nothing, stays 0 and becomes 255.
        code = np.zeros(top.shape, np.uint8)
        hit = np.empty(top.shape, np.bool_)
        term = np.empty(top.shape, np.uint8)
        for channel in range(channels):
            np.equal(block[channel], top, out=hit)
            np.multiply(hit.view(np.uint8), np.uint8(255 - channel), out=term)
            np.maximum(code, term, out=code)
        np.subtract(np.uint8(255), code, out=indices[start:stop])
    return indices, best


def confidence(scores, best):
    """Return the probability of the winning class, as H x W uint8 (255 = 1.0).

    scores: C x H x W; best: H x W from `argmax`. Scores that already are probabilities (none
    negative, every pixel's sum 1 within 0.001) are used as they are; others go through softmax.
    Pixels with NaN scores get 0.
    """
    scores = np.asarray(scores)
    out = np.zeros(best.shape, np.uint8)
    probable = is_probability(scores)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        for start, stop in row_blocks(scores.shape):
            block = best[start:stop]
            if not probable:
                terms = np.subtract(scores[:, start:stop], block, dtype=np.float32)
                np.exp(terms, out=terms)
                block = 1.0 / terms.sum(axis=0)
            block = np.where(np.isfinite(block), block, 0)
            out[start:stop] = np.clip(block * 255 + 0.5, 0, 255).astype(np.uint8)
    return out


def is_probability(scores):
    """Return whether the C x H x W scores are a distribution over classes at every pixel."""
    for start, stop in row_blocks(scores.shape):
        block = scores[:, start:stop]
        if not (block.min() >= 0 and np.abs(block.sum(axis=0) - 1).max() <= 1e-3):
            return False
    return True


def from_indices(name, array):
    """Return the class map of a 1 x H x W array of whole numbers; -1 means ignore, like 255."""
    plane = array[0]
    if plane.dtype.kind == "f":
        bad = np.isnan(plane)
        whole = np.where(bad, IGNORE, plane)
        if not (np.isfinite(whole).all() and (whole == np.floor(whole)).all()):
            raise FcnError(
                "Output '%s' has one channel of real numbers from %.4g to %.4g; expected whole "
                "class indices in one channel or scores in two or more channels. For one sigmoid "
                "channel, give the network two (background, object) before its softmax."
                % (shorten(name), np.nanmin(plane), np.nanmax(plane))
            )
        plane = whole
    low, high = int(plane.min()), int(plane.max())
    if low < -1 or high > IGNORE:
        raise FcnError(
            "Output '%s' has class indices from %d to %d; expected 0 to 255 (255 = ignore)."
            % (shorten(name), low, high)
        )
    return np.where(plane == -1, IGNORE, plane).astype(np.uint8)


def class_map(name, blob):
    """Return the ClassMap of one output blob (see `as_chw` for shapes and errors)."""
    name = to_text(name)
    array = as_chw(name, blob)
    if array.shape[0] == 1:
        return ClassMap(name, from_indices(name, array), None, None, None, [])
    if array.dtype.kind != "f":
        array = array.astype(np.float32)
    indices, best = argmax(array)
    missing = int(np.isnan(best).sum())
    notes = []
    if missing and array.shape[0] == MAX_CLASSES:
        raise FcnError(
            "Output '%s' has NaN scores at %d pixels and 256 classes, so that no index is left to "
            "mark them with. Look at the training loss: it has probably diverged."
            % (shorten(name), missing)
        )
    if missing:
        share = "every pixel" if missing == best.size else "%d of %d pixels" % (missing, best.size)
        notes.append(
            "Output '%s' has NaN scores at %s, shown as ignored (255). NaN usually means that "
            "training diverged: look at the loss and try a lower learning rate."
            % (shorten(name), share)
        )
    sure = confidence(array, best)
    return ClassMap(name, indices, array.shape[0], sure, best.astype(np.float32), notes)


def class_maps(outputs):
    """Return the class maps of all outputs that are maps, ordered by name.

    outputs: dict of blob name -> array. Returns (list of ClassMap, notes). Outputs that are not
    maps (a loss, a vector) are skipped with a note if another output is a map; if none is, raises
    FcnError with all the reasons.
    """
    maps, refused = [], []
    for name in sorted(outputs, key=to_text):
        try:
            maps.append(class_map(name, outputs[name]))
        except FcnError as error:
            refused.append(error.words)
    if not maps:
        raise FcnError(" ".join(refused) or "The network has no output; expected a score map.")
    return maps, refused + [note for m in maps for note in m.notes]
