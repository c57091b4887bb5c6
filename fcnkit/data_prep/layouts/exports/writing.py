"""Extracts the pairs of a plan: images unchanged, labels as paletted PNGs of class indices."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import InputError
from fcnkit.datasets import default_palette
from fcnkit.images import (
    IGNORE_LABEL,
    IMAGE_SUFFIXES,
    class_names_text,
    open_image,
    open_picture,
    palette_agrees,
    palette_from_image,
)

from ...findings import ADVICE, doubtful_pixels, find, is_black_and_white, past_advice
from ..extraction import Pairs, write_class_names
from ..image_sets import is_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from PIL import Image

    from fcnkit.progress import Progress

    from .catalogue import Catalogue, File
    from .plan import Item, Plan

    Wanted = dict[File, list[Callable[[bytes], object]]]

# The first bytes of image files, and the suffix that is written where their own is unusual.
_SUFFIX_OF = {
    b"\xff\xd8\xff": ".jpg",
    b"\x89PNG": ".png",
    b"BM": ".bmp",
    b"GIF8": ".gif",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
    b"RIFF": ".webp",
    b"\x93NUMPY": ".npy",
    b"P": ".ppm",
}


def image_suffix(name: str, data: bytes) -> str:
    """The suffix that an image is written with: its own where all commands know it."""
    own = os.path.splitext(name)[1]
    if own.lower() in IMAGE_SUFFIXES:
        return own
    return next((suffix for start, suffix in _SUFFIX_OF.items() if data.startswith(start)), ".png")


def write_plan(
    catalogue: Catalogue,
    plan: Plan,
    splits: Mapping[str, Sequence[Item]],
    folder: str,
    progress: Progress,
) -> None:
    """Write `folder/<split>/{images,labels}` and, if they are known, `folder/classes.txt`.

    What looks wrong of the labels as a whole is noted. Raises `InputError` for an image or a label
    that cannot be read, for a value past the class names, and for a name that cannot be a file's.
    """
    if plan.names:
        class_names_text(plan.names)  # before everything is written for what could not be read
    for split, items in splits.items():
        progress.note(f"Processing {split} data")
        writer = _SplitWriter(folder, split, plan)
        wanted: Wanted = {}
        for item in items:
            writer.add(item, wanted)
        catalogue.extract(wanted, functools.partial(progress.step, what=split))
        writer.refuse_ignored(catalogue.source)
        for note in writer.notes():
            progress.note(f"{split}: {note}")
    for remark in plan.remarks() if plan.remarks is not None else ():
        progress.note(remark)
    if plan.names:
        write_class_names(folder, plan.names)


class _SplitWriter:
    """Writes the pairs of one split and looks at what it writes."""

    def __init__(self, folder: str, split: str, plan: Plan) -> None:
        self.plan = plan
        self.pairs = Pairs(folder, split, default_palette(plan.names))
        self._ids: set[str] = set()
        # (width, height) of images and labels that are there, until both are
        self._sizes: dict[str, tuple[int, int]] = {}
        self._misfits: list[str] = []
        self._pixels: NDArray[np.int64] = np.zeros(256, np.int64)
        self._labels = self._black_and_white = self._lossy = self._doubtful = 0
        self._palette: NDArray[np.uint8] | None = None  # of the first paletted label
        self._other_palettes: list[str] = []

    def add(self, item: Item, wanted: Wanted) -> None:
        """Add to `wanted` what writes `item`."""
        if not is_id(item.id):
            raise InputError(
                f"{item.image}: its name cannot be a file's on every system: rename it"
            )
        if item.id in self._ids:
            raise InputError(
                f"{item.image}: another image becomes {item.id}, too: give each a name of its own"
            )
        self._ids.add(item.id)
        wanted.setdefault(item.image, []).append(lambda data: self._image(item, data))
        if item.label is not None:
            wanted.setdefault(item.label, []).append(lambda data: self._label(item, data))

    def refuse_ignored(self, source: str) -> None:
        """Raise `InputError` if no pixel of any label is of a class."""
        if self._labels and not self._pixels[:IGNORE_LABEL].any():
            raise InputError(
                f"{source}: taken for {self.plan.kind}, in which every pixel of every label is "
                "ignored: its labels mean something else; pass {classes}, or {colours}",
                options={"classes": None, "colours": None},
            )

    def notes(self) -> list[str]:
        """What looks wrong in the split as a whole."""
        found = []
        if self._misfits:
            more = f", and {len(self._misfits) - 1} more" if len(self._misfits) > 1 else ""
            found.append(f"a label of another size than its image: {self._misfits[0]}{more}")
        if self._other_palettes:
            others = len(self._other_palettes) - 1
            found.append(
                f"another palette than the first label's: {self._other_palettes[0]}"
                + (f", and {others} more" if others else "")
                + ". If colours mean classes there, read the labels with a colour map"
            )
        findings = find(
            self._pixels,
            self._labels,
            self._black_and_white,
            self.plan.names or (),
            self._lossy,
            self._doubtful,
        )
        return found + [f"{what} ({detail}): {ADVICE[what]}" for what, detail in findings.items()]

    def _image(self, item: Item, data: bytes) -> None:
        name = str(item.image)
        if item.unpack is not None:
            data = item.unpack(data)
        size = open_picture(data, name).size
        path = os.path.join(self.pairs.folder, "images", item.id)
        path += image_suffix("" if item.unpack else item.image.name, data)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb") as file:
            file.write(data)
        self._compare(item.id, size)
        if item.draw is not None:
            self._write(item, item.draw((size[1], size[0])), name)

    def _label(self, item: Item, data: bytes) -> None:
        assert self.plan.decode is not None, "plans with label files decode them"
        name = str(item.label)
        classes = self.plan.decode(data, name)
        self._write(item, classes, name)
        if not name.lower().endswith((".npy", ".npz")):
            with open_image(data, name) as image:
                doubtful = doubtful_pixels(image)
                if doubtful is not None:
                    self._lossy += 1
                    self._doubtful += doubtful
                if self.plan.decode.by_index and image.mode == "P":
                    self._compare_palettes(image, classes, name)

    def _compare_palettes(self, image: Image.Image, classes: NDArray[np.uint8], name: str) -> None:
        """Notice that a paletted label has other colours than the first one."""
        if self._palette is None:
            self._palette = palette_from_image(image, name)
        elif not palette_agrees(image, np.bincount(classes.ravel(), minlength=256), self._palette):
            self._other_palettes.append(name)

    def _write(self, item: Item, classes: NDArray[np.uint8], name: str) -> None:
        counts = np.bincount(classes.ravel(), minlength=256)
        names = self.plan.names
        past = np.flatnonzero(counts[len(names) : IGNORE_LABEL]).tolist() if names else []
        if names and past:
            raise InputError(
                f"{name}: label {past[0] + len(names)}, but there are {len(names)} classes (0 to "
                f"{len(names) - 1}): correct the list of {{option}} or the label"
                f"{past_advice(past[0] + len(names), len(names))}",
                option="classes",
            )
        self._pixels += counts
        self._labels += 1
        self._black_and_white += is_black_and_white(counts)
        os.makedirs(
            os.path.dirname(os.path.join(self.pairs.folder, "labels", item.id)), exist_ok=True
        )
        self.pairs.write_label(item.id, classes)
        self._compare(item.id, (classes.shape[1], classes.shape[0]))

    def _compare(self, id_: str, size: tuple[int, int]) -> None:
        other = self._sizes.pop(id_, None)
        if other is None:
            self._sizes[id_] = size
        elif other != size:
            self._misfits.append("{} ({} x {} and {} x {})".format(id_, *other, *size))
