"""Run-length encoding of class maps in COCO's form.

A mask is read column by column, left to right; `counts` are the lengths of its runs, starting with
a run of zeros (of length 0 if the first pixel is set). COCO writes the counts as a string: each
number is the difference to the one two before it (from the fourth on), cut into groups of
5 bits from the lowest, with 0x20 added while more follow and 48 to make printable characters. The
format is that of COCO's mask interface (`maskApi.c`); the code is our own.
"""

from __future__ import absolute_import, division, unicode_literals

import numpy as np

from .errors import FcnError


def class_runs(indices):
    """Return the counts of every class, in one pass: dict of class index -> int64 run lengths.

    indices: H x W uint8. The classes are those that occur, including 255.
    """
    flat = np.asarray(indices).ravel(order="F")
    starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
    lengths = np.diff(np.concatenate((starts, [flat.size])))
    values = flat[starts]
    found = {}
    for value in np.unique(values):
        mine = values == value
        begin, length = starts[mine], lengths[mine]
        end = begin + length
        gaps = begin - np.concatenate(([0], end[:-1]))
        counts = np.stack((gaps, length), axis=1).ravel()
        if end[-1] < flat.size:
            counts = np.append(counts, flat.size - end[-1])
        found[int(value)] = counts
    return found


def encode(mask):
    """Return the counts of one H x W mask (anything but 0 is set), as an int64 array."""
    mask = np.asarray(mask) != 0
    return class_runs(mask.astype(np.uint8)).get(1, np.array([mask.size]))


def decode(counts, height, width):
    """Return the H x W uint8 mask (0 or 1) of `counts`; raises FcnError unless they fill it."""
    counts = np.asarray(counts, np.int64)
    if counts.size == 0 or counts.min() < 0 or counts.sum() != height * width:
        raise FcnError(
            "The run lengths add up to %d; expected %d x %d = %d pixels."
            % (counts.sum(), height, width, height * width)
        )
    values = np.arange(counts.size) % 2
    return np.repeat(values, counts).astype(np.uint8).reshape((height, width), order="F")


def to_string(counts):
    """Return COCO's string of the counts (ASCII text)."""
    counts = np.asarray(counts, np.int64)
    number = counts.copy()
    number[3:] -= counts[1:-2]
    columns, more = [], np.ones(number.shape, np.bool_)
    while more.any():
        group = number & 0x1F
        rest = number >> 5
        # The last group's 0x10 bit is the sign: groups follow until it is the right one.
        last = np.where(group & 0x10, rest == -1, rest == 0)
        columns.append(np.where(more, group + np.where(last, 0, 0x20) + 48, 0))
        more = more & ~last
        number = rest
    characters = np.stack(columns, axis=1).ravel()
    return characters[characters > 0].astype(np.uint8).tobytes().decode("ascii")


def from_string(text):
    """Return the counts (list of int) in COCO's string."""
    counts, number, shift = [], 0, 0
    for character in text:
        group = ord(character) - 48
        if not 0 <= group < 64:
            raise FcnError("Character %r is not part of COCO's run-length string." % character)
        number |= (group & 0x1F) << shift
        shift += 5
        if group & 0x20:
            continue
        if group & 0x10:
            number -= 1 << shift
        counts.append(number + (counts[-2] if len(counts) > 2 else 0))
        number, shift = 0, 0
    if shift:
        raise FcnError("COCO's run-length string ends in the middle of a number.")
    return counts
