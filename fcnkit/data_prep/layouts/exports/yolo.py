"""YOLO's polygons: a text file per image, a line per object, corners as shares of the image.

    [anything/]images/[<set>/]x.jpg    [anything/]labels/[<set>/]x.txt, or x.txt beside the image
    x.txt                              <class> <x> <y> <x> <y> <x> <y> ...
    data.yaml, classes.txt, obj.names  the class names, in the order of the numbers from 0

https://docs.ultralytics.com/datasets/segment/. Classes follow the background. A line of four
numbers behind the class is a box and refused: it does not say which pixels show the object.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
from typing import TYPE_CHECKING

from caffeformat import FormatError, InputError

from ..coco.masks import mask_of
from ..image_sets import decode_list
from .class_files import find_classes
from .folders import images_alone, label_alone
from .listed import with_ids
from .objects import ObjectPainter, object_classes
from .pairing import split_of
from .plan import Item, Plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from .catalogue import Catalogue, File
    from .plan import DataOptions

NAME = "YOLO's polygons"

_LINE = re.compile(r"\d+(?:\.0+)?(?:\s+[-+.\deE]+){4,}")

_KEYPOINTS, _MOST_YAML = re.compile(r"^kpt_shape\s*:", re.MULTILINE), 1 << 20

# Corners may lie outside the image by so much of its size.
_OUTSIDE = 0.01


def recognise(catalogue: Catalogue, options: DataOptions) -> Plan | None:
    """The plan of a source with such text files; None for any other."""
    pairs = _pairs(catalogue)
    if not any(_LINE.match(catalogue.text(file)) for file in list(pairs.values())[:100]):
        return None
    _refuse_keypoints(catalogue)
    contents = catalogue.read(dict.fromkeys(pairs.values()))
    texts = {file: decode_list(data) for file, data in contents.items()}
    _refuse_labels_alone(catalogue, texts)
    listed = find_classes(catalogue, dataclasses.replace(options, classes=None, colours=None))
    if listed.names is None:
        raise InputError(
            f"{catalogue.source}: taken for {NAME}, whose classes are numbers without names: put "
            "a classes.txt beside them, one name per line in the order of the numbers from 0"
        )
    classes = object_classes(listed.names, options.classes, catalogue.source)
    numbers = [classes.numbers[name] for name in listed.names]
    for file, text in texts.items():
        for _ in _objects(text, len(numbers), str(file)):
            pass  # before anything is written
    painter = ObjectPainter(classes.background, options.overlap or "ignore")
    plan = Plan(f"{NAME}, classes of {listed.file}", {}, classes.names)
    plan.labels, plan.remarks = f"polygons are drawn; {classes.words}", painter.remarks
    empty = []
    for image in catalogue.photographs:
        own = pairs.get(image)
        text = texts[own] if own is not None else ""
        if not text.strip() and not options.empty:
            empty.append(image)
            continue
        draw = functools.partial(_draw, text, numbers, painter, str(own or image))
        plan.sets.setdefault(split_of(image.folder), []).append(Item("", image, draw=draw))
    plan.sets = {name: with_ids(items) for name, items in plan.sets.items()}
    if empty:
        plan.notes.append(f"{images_alone(empty, '')}; with `empty` they become background")
    return plan


def _refuse_keypoints(catalogue: Catalogue) -> None:
    """Raise `InputError` for poses, whose lines are a box and points, and look like outlines."""
    for file in catalogue.named(re.compile(r".*\.ya?ml", re.I).fullmatch):
        if file.size <= _MOST_YAML and _KEYPOINTS.search(catalogue.text(file)):
            raise InputError(
                f"{file}: says kpt_shape, so that the labels are boxes and keypoints, not "
                "outlines: export polygons, or masks"
            )


def _pairs(catalogue: Catalogue) -> dict[File, File]:
    """The text file of each image: in `labels` where it is in `images`, beside it, or elsewhere."""
    texts = {file.name: file for file in catalogue.named(re.compile(r".*\.txt", re.I).fullmatch)}
    by_stem: dict[str, list[File]] = {}
    for file in texts.values():
        by_stem.setdefault(_stem(file.name), []).append(file)
    pairs = {}
    for image in catalogue.photographs:
        path = f"{image.folder}/{image.stem}".lstrip("/")
        before, is_below, after = f"/{path}".rpartition("/images/")
        beside = texts.get(f"{before}/labels/{after}.txt".lstrip("/")) if is_below else None
        same = by_stem.get(image.stem, [])
        found = beside or texts.get(f"{path}.txt") or (same[0] if len(same) == 1 else None)
        if found is not None:
            pairs[image] = found
    return pairs


def _stem(path: str) -> str:
    return os.path.splitext(path.rpartition("/")[2])[0]


def _refuse_labels_alone(catalogue: Catalogue, texts: Mapping[File, str]) -> None:
    """Raise `InputError` if a file of objects in a folder of such files has no image."""
    folders = {file.folder for file in texts}
    others = [
        file
        for file in catalogue.named(lambda name: name.lower().endswith(".txt"))
        if file.folder in folders and file not in texts and _LINE.match(catalogue.text(file))
    ]
    if others:
        raise label_alone(others, len(texts) + len(others))


def _objects(text: str, classes: int, name: str) -> Iterator[tuple[int, list[float]]]:
    """(class, [x, y, x, y, ...] as shares) of each line. Raises `FormatError` with `name`."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            index, *values = (float(word) for word in line.split())
        except ValueError as error:
            raise FormatError(name, f"line {number}: expected numbers: {error}") from None
        if len(values) == 4:
            raise FormatError(
                name, f"line {number} is a box, not an outline: export polygons, or masks"
            )
        if len(values) < 6 or len(values) % 2:
            raise FormatError(
                name,
                f"line {number}: expected a class and pairs of x and y, three or more, found "
                f"{len(values)} numbers behind the class",
            )
        if not (index.is_integer() and 0 <= index < classes):
            raise FormatError(
                name,
                f"line {number}: the class {index:g}, but there are names of {classes} (0 to "
                f"{classes - 1}): correct the list of class names",
            )
        if not all(-_OUTSIDE <= value <= 1 + _OUTSIDE for value in values):
            raise FormatError(
                name,
                f"line {number}: corners have to be shares of the image's width and height, from "
                "0 to 1",
            )
        yield int(index), values


def _draw(
    text: str, numbers: Sequence[int], painter: ObjectPainter, name: str, size: tuple[int, int]
) -> NDArray[np.uint8]:
    objects = (
        (numbers[index], functools.partial(_mask, values, size, name))
        for index, values in _objects(text, len(numbers), name)
    )
    return painter.draw(size, objects, name)


def _mask(values: list[float], size: tuple[int, int], name: str) -> NDArray[np.bool_]:
    extents = (size[1], size[0])
    # Shares are written with six digits or so: back to what they were made of
    corners = [round(value * extents[turn % 2], 3) for turn, value in enumerate(values)]
    return mask_of([corners], *size, name)
