"""Annotations in COCO's format with classes of their own, in JSON files of any name.

    [anything/]instances_<set>.json, <set>/_annotations.coco.json, result.json, ...
    [anything/]<file name>                images; as the JSON names them, or apart

Classes are numbered by category id, after the background. Roboflow's first category, which stands
for all others and has no objects, is left out.
"""

from __future__ import annotations

import functools
import itertools
import math
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from caffeformat import InputError, brief

from ..coco.annotations import Instances, has_corners, read_instances, segmentation_of
from ..coco.masks import mask_of
from .listed import with_ids
from .objects import ObjectPainter, check_size, object_classes, refuse_shares
from .pairing import SPLITS, split_of, words_in
from .places import FileIndex, Finder
from .plan import Item, Plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from ..coco.annotations import AnnotatedImage, Identity
    from .catalogue import Catalogue, File
    from .plan import DataOptions

NAME = "COCO's format"

_KEYS = {"images", "annotations", "categories"}
_OTHERS_KEYS = {"image", "item", "items", "label_classes"}  # Darwin's, Datumaro's, Hasty's

# How many objects tell what all are like.
_LOOKED_AT = 100

# Words in names of JSON files that do not name a set.
_NO_SETS = {"instances", "annotations", "annotation", "coco", "labels", "result", "json"}


def recognise(catalogue: Catalogue, options: DataOptions) -> Plan | None:
    """The plan of a source with such JSON files; None for any other."""
    files = [
        file
        for file, keys in catalogue.json_keys.items()
        if _KEYS.intersection(keys) and not _OTHERS_KEYS.intersection(keys)
    ]
    described = {
        file: read_instances(catalogue.chunks(file), str(file))
        for file in files
        if not re.search(
            r"(?:^|/)(?:captions|image_info|person_keypoints|panoptic|stuff)_", file.name
        )
    }
    described = {file: found for file, found in described.items() if found.images}
    if not described:
        return None
    if not any(image.objects for found in described.values() for image in found.images):
        boxes = sum(found.boxes for found in described.values())
        if not boxes:
            raise InputError(
                f"{next(iter(described))}: has no annotations, so that all of its images would be "
                "background: export them with polygons or masks"
            )
        raise InputError(
            f"{next(iter(described))}: its {boxes} annotations are boxes without a segmentation: "
            "export polygons or masks"
        )
    classes = object_classes(_names(described), options.classes, catalogue.source)
    painter = ObjectPainter(classes.background, options.overlap or "ignore")
    plan = Plan(f"{NAME}: {', '.join(file.name for file in described)}", {}, classes.names)
    dots: list[str] = []
    plan.labels = f"objects are drawn; {classes.words}"
    plan.remarks = lambda: painter.remarks() + _on_dots(dots)
    index = FileIndex(catalogue.photographs)
    for file, found in described.items():
        texts = (text for image in found.images for _, text in image.objects)
        refuse_shares(map(_corners, texts), str(file))
        _refuse_dots(found, file)
        numbers = {
            key: classes.numbers[name]
            for key, name in found.categories.items()
            if name in classes.numbers
        }
        reader = _FileReader(file, numbers, painter, options.empty, dots)
        name = _set_name(file, described)
        items = reader.items(found, Finder(index, str(file), file.folder, split_of(name)))
        plan.sets.setdefault(name, []).extend(items)
        plan.notes += reader.notes(found)
    return plan


def _names(described: Mapping[File, Instances]) -> list[str]:
    """The names of all categories, by id; those of several files have to agree."""
    by_id: dict[Identity, str] = {}
    for file, found in described.items():
        for key, name in found.categories.items():
            if by_id.setdefault(key, name) != name:
                raise InputError(
                    f"{file}: the category {key!r} is {name!r}, but {by_id[key]!r} in another file "
                    "of the source: prepare them one by one"
                )
    used = {key for found in described.values() for im in found.images for key, _ in im.objects}
    groups = {group for found in described.values() for group in found.groups.values()}
    ids = list(by_id)
    if all(isinstance(key, int) for key in ids):
        ids.sort()
    # The first category of Roboflow's exports is the group of all others.
    ids = [key for key in ids if key in used or not (key == 0 and by_id[key] in groups)]
    return list(dict.fromkeys(by_id[key] for key in ids))


def _set_name(file: File, all_files: Mapping[File, Instances]) -> str:
    """The set that a JSON file is for; "" if it is the only one and does not say."""
    stem = os.path.splitext(file.name.rpartition("/")[2])[0]
    words = [re.sub(r"\d{4}$", "", word) for word in words_in(stem)]
    for word in [*words, *words_in(file.folder)[::-1]]:
        if word in SPLITS:
            return word
    if len(all_files) == 1:
        return ""
    return "_".join(word for word in words if word not in _NO_SETS) or file.folder or stem


class _FileReader:
    """Makes items of the images of one JSON file."""

    def __init__(
        self,
        file: File,
        numbers: dict[Identity, int],
        painter: ObjectPainter,
        empty: bool,
        dots: list[str],
    ) -> None:
        self.file, self.numbers, self.painter, self.empty = file, numbers, painter, empty
        self._dots = dots  # a name for each object that covers nothing
        self._without: list[str] = []

    def items(self, found: Instances, finder: Finder) -> list[Item]:
        items: dict[File, Item] = {}
        for image in found.images:
            if not image.objects and not self.empty:
                self._without.append(image.file)
                continue
            file = finder.find(_path_of(image.file))
            if file is None:
                raise InputError(
                    f"{self.file}: names the image {image.file}, which is not there: pass the "
                    "folder or archive of the images with {option}",
                    option="images",
                )
            if file in items:
                raise InputError(f"{self.file}: two of its images are {file.name}")
            items[file] = Item("", file, draw=functools.partial(self._draw, image))
        return with_ids(list(items.values()))

    def notes(self, found: Instances) -> list[str]:
        notes = []
        if self._without:
            notes.append(
                f"{self.file.name}: {len(self._without)} images without objects, such as "
                f"{self._without[0]}, left out; with `empty` they become background"
            )
        if found.boxes:
            notes.append(f"{self.file.name}: {found.boxes} boxes without a segmentation, left out")
        return notes

    def _draw(self, image: AnnotatedImage, size: tuple[int, int]) -> NDArray[np.uint8]:
        name = f"{self.file}: {image.file}"
        check_size((image.height, image.width), size, name)
        objects = (
            (self.numbers[key], functools.partial(self._mask, text, size, name))
            for key, text in image.objects
        )
        return self.painter.draw(size, objects, name)

    def _mask(self, text: str, size: tuple[int, int], name: str) -> NDArray[np.bool_]:
        segmentation = segmentation_of(text)
        if not has_corners(segmentation):
            self._dots.append(name)
        return mask_of(segmentation, *size, name)


def _path_of(name: str) -> str:
    """The path of an image's name, which may be a web address."""
    return unquote(urlsplit(name).path) if "://" in name else name


def _corners(text: str) -> Iterator[tuple[float, float]]:
    """The corners of an annotation's polygons; one far away for anything else."""
    polygons = segmentation_of(text)
    for polygon in polygons if isinstance(polygons, list) else [None]:
        if isinstance(polygon, list) and all(type(n) in (int, float) for n in polygon):
            yield from zip(polygon[::2], polygon[1::2])
        else:
            yield math.inf, math.inf


def _refuse_dots(found: Instances, file: File) -> None:
    """Raise `InputError` if the first objects' polygons have one or two corners, as boxes do.

    They cover nothing, so that all would be background.
    """
    texts = (text for image in found.images for _, text in image.objects)
    some = [segmentation_of(text) for text in itertools.islice(texts, _LOOKED_AT)]
    if some and not any(map(has_corners, some)):
        raise InputError(
            f"{file}: its polygons have fewer than three corners, such as {brief(some[0])}: "
            "expected [[x, y, x, y, ...]]: if they are boxes or single points, export polygons or "
            "masks"
        )


def _on_dots(dots: list[str]) -> list[str]:
    if not dots:
        return []
    return [f"{len(dots)} objects of one or two corners cover nothing, such as one of {dots[0]}"]
