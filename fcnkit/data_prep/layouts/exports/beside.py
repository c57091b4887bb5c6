"""Labels beside their images, told by the end of their names: `x.jpg` and `x_mask.png`.

Images may have an end of their own (`x_sat.jpg`), if all labels go with one kind of them; both may
have a beginning instead (`img_x.png`, `mask_x.png`); or labels are PNGs, images JPEGs of one name.

Roboflow exports train, valid and test in this way, each with a table `_classes.csv`.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from caffeformat import InputError

from .class_files import find_classes
from .folders import images_alone, label_alone
from .pairing import LABEL_WORDS, SPLITS, pair_up, words_in
from .plan import Item, Plan
from .tables import label_reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .catalogue import Catalogue, File
    from .plan import DataOptions

NAME = "labels beside their images"

_ENDS_IN_WORD = re.compile(r"(?P<core>.+?)[\W_]+(?P<word>[^\W\d_]+)")
_BEGINS_WITH_WORD = re.compile(r"(?P<word>[^\W\d_]+)[\W_]+(?P<core>.+)")
_JPEGS = (".jpg", ".jpeg", ".jfif", ".jpe")


def recognise(catalogue: Catalogue, options: DataOptions) -> Plan | None:
    """The plan of a source in whose folders labels lie among images; None for any other."""
    names = {f"{file.folder}/{file.stem}" for file in catalogue.images}
    labels = [file for file in catalogue.images if names.intersection(_images_of(file))]
    if not labels:
        labels = (
            _with_two_ends(catalogue.images, _ENDS_IN_WORD)
            or _with_two_ends(catalogue.images, _BEGINS_WITH_WORD)
            or _pngs_of_jpegs(catalogue.images)
        )
    if not labels or _are_kinds_of_labels(catalogue, labels):
        return None
    images = set(catalogue.images).difference(labels)
    _refuse_second_masks(labels, images)
    sets: dict[str, list[Item]] = {}
    notes = []
    for folder in dict.fromkeys(file.folder for file in labels):
        ours = [file for file in images if file.folder == folder]
        theirs = [file for file in labels if file.folder == folder]
        found = pair_up(ours, theirs, lambda file: "")
        if found.labels:
            raise label_alone(found.labels, len(theirs))
        parts = folder.split("/")
        split = next((part for part in parts if part.lower() in SPLITS), "")
        if found.images:
            notes.append(images_alone(found.images, split))
        below = "/".join(part for part in parts if part != split)
        ids = [(f"{below}/{image.stem}" if below else image.stem) for image, _ in found.pairs]
        sets.setdefault(split, []).extend(
            Item(id_, image, label) for id_, (image, label) in zip(ids, found.pairs)
        )
    folders = {file.folder for file in labels}
    elsewhere = [file for file in catalogue.images if file.folder not in folders]
    if elsewhere:
        notes.append(images_alone(elsewhere, ""))
    classes = find_classes(catalogue, options)
    decode, how = label_reader(catalogue, options, classes, labels)
    example = labels[0].name.rpartition("/")[2]
    kind = f"{NAME}, such as {example}"
    return Plan(kind, sets, classes.names, decode, how, notes)


def _are_kinds_of_labels(catalogue: Catalogue, labels: Sequence[File]) -> bool:
    """Whether what lies beside the labels is labels, too, of images that lie elsewhere."""
    folders = {file.folder for file in labels}
    elsewhere = {file.stem for file in catalogue.images if file.folder not in folders}
    of_others = [
        any(path.rpartition("/")[2] in elsewhere for path in _images_of(file)) for file in labels
    ]
    in_folders_of_labels = all(LABEL_WORDS.intersection(words_in(folder)) for folder in folders)
    return in_folders_of_labels and 2 * sum(of_others) > len(of_others)


def _refuse_second_masks(labels: Sequence[File], others: Iterable[File]) -> None:
    """Raise `InputError` where an image has several masks, as x_mask.png and x_mask_1.png."""
    known = {f"{file.folder}/{file.stem}": file for file in labels}
    for file in others:
        match = re.fullmatch(r"(.+?)[\W_]*\d+", f"{file.folder}/{file.stem}")
        if match and match.group(1) in known:
            raise InputError(
                f"{file}: seems to be a mask of the same image as {known[match.group(1)].name}: "
                "one label with all classes is expected: combine the masks of an image into one "
                "file of class indices, 0 where no mask is"
            )


def _pngs_of_jpegs(files: Sequence[File]) -> list[File]:
    """The PNGs where all files are pairs of a JPEG and a PNG of one name, else none."""
    suffixes: dict[str, list[str]] = {}
    for file in files:
        suffix = os.path.splitext(file.name)[1].lower()
        kind = "JPEG" if suffix in _JPEGS else suffix
        suffixes.setdefault(f"{file.folder}/{file.stem}", []).append(kind)
    if any(sorted(kinds) != [".png", "JPEG"] for kinds in suffixes.values()):
        return []
    return [file for file in files if file.name.lower().endswith(".png")]


def _with_two_ends(files: Sequence[File], form: re.Pattern[str]) -> list[File]:
    """The labels where images have an end of their names, too: `x_sat.jpg` and `x_mask.png`.

    `form` parts that end, or beginning, as `word`, from the `core` of a name.

    None unless, in each folder with labels, one kind of image has an image for every label.
    """
    found: dict[str, dict[str, dict[str, File]]] = {}
    for file in files:
        match = form.fullmatch(file.stem)
        if match:
            core, word = match.group("core"), match.group("word").lower()
            kind = "" if word in LABEL_WORDS else word
            found.setdefault(file.folder, {}).setdefault(kind, {})[core] = file
    labels = []
    for kinds in found.values():
        ours = kinds.pop("", {})
        if ours and sum(set(ours) <= set(images) for images in kinds.values()) != 1:
            return []
        labels += list(ours.values())
    return labels


def _images_of(file: File) -> list[str]:
    """The paths, without suffix, that the image of a label of this name may have."""
    match = _ENDS_IN_WORD.fullmatch(file.stem)
    if not match or match.group("word").lower() not in LABEL_WORDS:
        return []
    # In `x (1)_mask` the bracket belongs to the name.
    rest = file.stem[: -len(match.group("word"))]
    ends = range(len(match.group("core")), len(rest))
    return [f"{file.folder}/{rest[:end]}" for end in ends]
