"""Cityscapes' trees, whose labels hold train ids or the ids from which they are made.

    leftImg8bit/<set>/<city>/<x>_leftImg8bit.png
    gtFine/<set>/<city>/<x>_gtFine_labelTrainIds.png, <x>_gtFine_labelIds.png

https://github.com/mcordts/cityscapesScripts, `labels.py`: 19 of 34 classes are evaluated.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import InputError
from fcnkit.images import IGNORE_LABEL, read_label

from .class_files import find_classes
from .folders import images_alone, label_alone
from .plan import Decoder, Item, Plan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .catalogue import Catalogue, File
    from .plan import DataOptions

NAME = "Cityscapes"

# The evaluated classes in the order of their train ids, each with its id.
_CLASSES = {
    "road": 7,
    "sidewalk": 8,
    "building": 11,
    "wall": 12,
    "fence": 13,
    "pole": 17,
    "traffic light": 19,
    "traffic sign": 20,
    "vegetation": 21,
    "terrain": 22,
    "sky": 23,
    "person": 24,
    "rider": 25,
    "car": 26,
    "truck": 27,
    "bus": 28,
    "train": 31,
    "motorcycle": 32,
    "bicycle": 33,
}
_IDS = 34

_IMAGE = re.compile(r"(?:.*/)?leftImg8bit/([^/]+)/((?:.*/)?)([^/]+)_leftImg8bit\.\w+")
_LABEL = re.compile(
    r"(?:.*/)?(gtFine|gtCoarse)/([^/]+)/((?:.*/)?)([^/]+)_gt(?:Fine|Coarse)_(labelTrainIds|labelIds)"
    r"\.png"
)


def recognise(catalogue: Catalogue, options: DataOptions) -> Plan | None:
    """The plan of a source with these trees; None for any other."""
    images: dict[tuple[str, str], File] = {}
    labels: dict[tuple[str, str], dict[tuple[str, str], File]] = {}
    for file in catalogue.images:
        match = _IMAGE.fullmatch(file.name)
        if match:
            split, city, name = match.groups()
            images[split, city + name] = file
        match = _LABEL.fullmatch(file.name)
        if match:
            tree, split, city, name, kind = match.groups()
            labels.setdefault((tree, kind), {})[split, city + name] = file
    if not labels:
        return None
    tree = "gtFine" if any(tree == "gtFine" for tree, _ in labels) else "gtCoarse"
    kind = "labelTrainIds" if (tree, "labelTrainIds") in labels else "labelIds"
    chosen = labels[tree, kind]
    if not images:
        raise InputError(
            f"{catalogue.source}: has {tree} and no leftImg8bit: pass its archive with {{option}}",
            option="images",
        )
    alone = [file for key, file in chosen.items() if key not in images]
    if alone:
        raise label_alone(alone, len(chosen))
    sets: dict[str, list[Item]] = {}
    for (split, id_), image in images.items():
        if (split, id_) in chosen:
            sets.setdefault(split, []).append(Item(id_, image, chosen[split, id_]))
    without = [file for key, file in images.items() if key not in chosen and key[0] in sets]
    plan = Plan(f"{NAME}: leftImg8bit and {tree}", sets, None)
    plan.notes += [images_alone(without, "")] if without else []
    names = find_classes(catalogue, options).names
    if names is not None and set(names) == set(_CLASSES):
        # Cityscapes' own classes, perhaps in another order, say how ids become indices.
        place = np.array([names.index(name) for name in _CLASSES], np.uint8)
        read = _from_ids if kind == "labelIds" else _read
        plan.names, plan.labels = names, f"{kind}, in the order of the class names"
        plan.decode = Decoder(lambda data, name: _moved(read(data, name), place, name))
    elif kind == "labelTrainIds" or names is not None:
        plan.names, plan.labels = names or list(_CLASSES), kind
        plan.decode = Decoder(lambda data, name: read_label(data, options.colours, name))
    else:
        plan.names, plan.labels = list(_CLASSES), "ids, of which 19 become train ids, others 255"
        plan.decode = Decoder(_from_ids)
    return plan


def _read(data: bytes, name: str) -> NDArray[np.uint8]:
    return read_label(data, None, name)


def _moved(ids: NDArray[np.uint8], place: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """The index of each train id, `place[id]`; 255 stays."""
    past = ids[(ids >= len(place)) & (ids != IGNORE_LABEL)]
    if past.size:
        raise InputError(
            f"{name}: expected Cityscapes' train ids 0 to {len(place) - 1}, found {past[0]}: "
            "correct the label"
        )
    table: NDArray[np.uint8] = np.full(256, IGNORE_LABEL, np.uint8)
    table[: len(place)] = place
    return table[ids]


@functools.cache
def _train_ids() -> NDArray[np.uint8]:
    """The train id of each id; 255 for those that are not evaluated."""
    table: NDArray[np.uint8] = np.full(256, IGNORE_LABEL, np.uint8)
    table[list(_CLASSES.values())] = np.arange(len(_CLASSES))
    return table


def _from_ids(data: bytes, name: str) -> NDArray[np.uint8]:
    ids = read_label(data, None, name)
    # The licence plate's id, -1, is stored as 255.
    if ids[ids != IGNORE_LABEL].max(initial=0) >= _IDS:
        raise InputError(f"{name}: expected Cityscapes' ids 0 to {_IDS - 1}, found {ids.max()}")
    return _train_ids()[ids]
