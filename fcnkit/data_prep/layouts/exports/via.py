"""JSON of VIA (VGG Image Annotator), which makesense.ai writes, too: outlines of all images.

    {"_via_img_metadata": {"<name><size>": {"filename", "regions": [...]}}}     a project
    {"<name><size>": {"filename", "regions": [...]}}                            annotations alone
    {"shape_attributes": {"name": "polygon", "all_points_x": [...], "all_points_y": [...]},
     "region_attributes": {"<attribute>": "<class>"}}                           a region

https://www.robots.ox.ac.uk/~vgg/software/via/. Regions are a list, or an object with numbers as
keys in older files. They are drawn in their order; classes follow the background in alphabetical
order. Regions without attributes are of the class `object`.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from caffeformat import FormatError, InputError

from . import shapes
from .catalogue import is_image, json_object
from .class_files import find_classes
from .folders import images_alone
from .listed import with_ids
from .objects import ObjectPainter, object_classes
from .pairing import split_of
from .places import FileIndex, Finder
from .plan import Item, Plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from .catalogue import Catalogue, File
    from .plan import DataOptions

    Region = Mapping[str, Any]

NAME = "VIA's JSON"

_PROJECT = "_via_img_metadata"
# The keys of files without settings: a file's name and its size in bytes, -1 if unknown
_KEY = re.compile(r"(.+\.[a-zA-Z]+)-?\d+")

_ONLY_CLASS = "object"


def recognise(catalogue: Catalogue, options: DataOptions) -> Plan | None:
    """The plan of a source with such JSON files; None for any other."""
    files = [file for file, keys in catalogue.json_keys.items() if _is_vias(keys)]
    if not files:
        return None
    contents = catalogue.read(sorted(files))
    images = {file: _images_in(data, str(file)) for file, data in contents.items()}
    attribute = _class_attribute(images, catalogue.source)
    found = sorted(
        {
            _class_of(region, attribute, f"{file}: {name}")
            for file, entries in images.items()
            for name, regions in entries.items()
            for region in regions
        }
    )
    if not found:
        raise InputError(f"{files[0]}: has no regions: annotate the images first")
    classes = object_classes(found, find_classes(catalogue, options).names, catalogue.source)
    painter = ObjectPainter(classes.background, options.overlap or "later")
    plan = Plan(f"{NAME}: {', '.join(file.name for file in contents)}", {}, classes.names)
    plan.labels, plan.remarks = (
        f"regions are drawn in their order; {classes.words}",
        painter.remarks,
    )
    index = FileIndex(catalogue.photographs)
    taken: dict[File, File] = {}
    for file, entries in images.items():
        finder = Finder(index, str(file), file.folder, split_of(file.folder))
        items: dict[File, Item] = {}
        empty: list[File] = []
        for name, regions in entries.items():
            image = finder.find(name)
            if image is None:
                raise InputError(
                    f"{file}: names the image {name}, which is not there: pass the folder or "
                    "archive of the images with {option}",
                    option="images",
                )
            if not regions and not options.empty:
                empty.append(image)
                continue
            other = taken.setdefault(image, file)
            if image in items or other != file:
                raise InputError(
                    f"{file}: is of {image.name}, as is {other.name}: keep one of the annotations"
                )
            numbered = [
                (classes.numbers[_class_of(region, attribute, name)], region) for region in regions
            ]
            draw = functools.partial(_draw, numbered, painter, f"{file}: {name}")
            items[image] = Item("", image, draw=draw)
        plan.sets.setdefault(split_of(file.folder), []).extend(with_ids(list(items.values())))
        if empty:
            plan.notes.append(f"{images_alone(empty, '')}; with `empty` they become background")
    return plan


def _is_vias(keys: Sequence[str]) -> bool:
    if _PROJECT in keys:
        return True
    names = [_KEY.fullmatch(key) for key in keys]
    return bool(names) and all(name is not None and is_image(name.group(1)) for name in names)


def _images_in(data: bytes, name: str) -> dict[str, list[Region]]:
    """The regions of each image by its file name."""
    content = json_object(data, name)
    entries = content.get(_PROJECT, content)
    found: dict[str, list[Region]] = {}
    if not isinstance(entries, dict):
        raise FormatError(name, f"its {_PROJECT} are not an object")
    for key, entry in entries.items():
        regions = entry.get("regions") if isinstance(entry, dict) else None
        path = entry.get("filename") if isinstance(entry, dict) else None
        if isinstance(regions, dict):
            regions = list(regions.values())
        if not isinstance(path, str) or not isinstance(regions, list):
            raise FormatError(name, f"the entry {key[:80]!r} has no filename, or no regions")
        if not all(map(_is_region, regions)):
            raise FormatError(name, f"a region of {path[:80]!r} is not an object of attributes")
        if path in found:
            raise FormatError(name, f"two entries are of the image {path[:80]!r}")
        found[path] = regions
    return found


def _is_region(region: Any) -> bool:
    if not isinstance(region, dict):
        return False
    attributes = region.get("region_attributes")
    return attributes is None or isinstance(attributes, dict)


def _class_attribute(images: Mapping[File, Mapping[str, Sequence[Region]]], source: str) -> str:
    """The attribute that is the class: the only one of all regions, "" if they have none.

    Raises `InputError` where there are several, none of which is called so, and which differ.
    """
    every = [
        dict(region.get("region_attributes") or {})
        for entries in images.values()
        for regions in entries.values()
        for region in regions
    ]
    found = sorted({key for attributes in every for key in attributes})
    if found and all(len(found) == len(a) and _are_alike(list(a.values())) for a in every):
        return found[0]
    named = [key for key in found if re.fullmatch("class|class_?name|label|category", key, re.I)]
    if len(found) > 1 and len(named) != 1:
        raise InputError(
            f"{source}: regions have the attributes {', '.join(found)}: call the one that is the "
            "class `class`, or remove the others in VIA"
        )
    return named[0] if named else (found[0] if found else "")


def _are_alike(values: Sequence[Any]) -> bool:
    return all(value == values[0] for value in values)


def _class_of(region: Region, attribute: str, name: str) -> str:
    """A region's class: text, or the only choice of an attribute with several."""
    if not attribute:
        return _ONLY_CLASS
    value = (region.get("region_attributes") or {}).get(attribute)
    if isinstance(value, dict):
        chosen = [key for key, is_chosen in value.items() if is_chosen]
        value = chosen[0] if len(chosen) == 1 else None
    text = str(value).strip() if isinstance(value, (str, int)) else ""
    if not text:
        raise FormatError(name, f"a region has no single {attribute!r}: give it one in VIA")
    return text


def _draw(
    regions: Sequence[tuple[int, Region]], painter: ObjectPainter, name: str, size: tuple[int, int]
) -> NDArray[np.uint8]:
    masks = (
        (index, functools.partial(_mask, region, size, f"{name}: region {number}"))
        for number, (index, region) in enumerate(regions, 1)
    )
    return painter.draw(size, masks, name)


def _mask(region: Region, size: tuple[int, int], name: str) -> NDArray[np.bool_]:
    shape = region.get("shape_attributes")
    if not isinstance(shape, dict):
        raise InputError(f"{name}: has no shape_attributes")
    kind = shape.get("name")
    if kind == "polygon":
        x, y = shape.get("all_points_x"), shape.get("all_points_y")
        if not (isinstance(x, list) and isinstance(y, list) and len(x) == len(y)):
            raise InputError(f"{name}: expected as many all_points_x as all_points_y")
        return shapes.drawn(shapes.polygon, shapes.points_of(zip(x, y), name), size, name)
    if kind == "rect":
        (x, y), extent = _numbers(shape, name, "x", "y"), _numbers(shape, name, "width", "height")
        corners = [(x, y), (x + extent[0], y + extent[1])]
        return shapes.drawn(shapes.rectangle, corners, size, name)
    if kind == "circle":
        x, y = _numbers(shape, name, "cx", "cy")
        radius = _numbers(shape, name, "r", "r")[0]
        return shapes.drawn(shapes.circle, [(x, y), (x + radius, y)], size, name)
    raise InputError(
        f"{name}: is a {kind!r}, expected polygon, rect or circle: draw a polygon in its place"
    )


def _numbers(shape: Mapping[str, Any], name: str, *keys: str) -> tuple[float, float]:
    return shapes.points_of([[shape.get(key) for key in keys]], name)[0]
