"""labelme's JSON files: shapes on an image that lies beside, or within as base64.

    x.json    {"shapes": [{"label", "shape_type", "points"}], "imagePath", "imageData",
               "imageHeight", "imageWidth"}

Shapes are drawn in their order with labelme's own widths. `labels.txt`, if it is there, numbers the
classes; else they follow the background in alphabetical order.
"""

from __future__ import annotations

import functools
import posixpath
from typing import TYPE_CHECKING, NamedTuple

from caffeformat import FormatError, InputError

from ..image_sets import same_name
from . import shapes
from .catalogue import json_object
from .class_files import find_classes
from .folders import images_alone
from .listed import with_ids
from .objects import ObjectPainter, check_size, object_classes, refuse_shares
from .pairing import SPLITS
from .places import FileIndex, Finder
from .plan import Item, Plan

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from .catalogue import Catalogue, File
    from .plan import DataOptions

NAME = "labelme's JSON files"

_DRAWERS: dict[str, Callable[..., None]] = {
    "polygon": shapes.polygon,
    "rectangle": shapes.rectangle,
    "oriented_rectangle": shapes.polygon,
    "rotation": shapes.polygon,  # X-AnyLabeling's name for the same
    "quadrilateral": shapes.polygon,
    "circle": shapes.circle,
    "line": shapes.line,
    "linestrip": shapes.line,
    "point": shapes.dots,
    "points": shapes.dots,
}


class _Shape(NamedTuple):
    label: str
    kind: str
    points: list[tuple[float, float]]
    mask: str | None  # a PNG in base64, for the kind `mask`


class _Annotated(NamedTuple):
    """What one JSON file says."""

    image_path: str
    holds_image: bool
    size: tuple[int, int] | None  # height, width
    shapes: list[_Shape]


def recognise(catalogue: Catalogue, options: DataOptions) -> Plan | None:
    """The plan of a source with such JSON files; None for any other."""
    files = {file for file, keys in catalogue.json_keys.items() if "shapes" in keys}
    if not files:
        return None
    read: dict[File, _Annotated] = {}

    def take(file: File, data: bytes) -> None:
        read[file] = _parse(data, str(file))

    catalogue.extract({file: [functools.partial(take, file)] for file in sorted(files)})
    shapes_found = [shape for file in sorted(read) for shape in read[file].shapes]
    refuse_shares((shape.points for shape in shapes_found), str(min(read)))
    found = sorted({shape.label for shape in shapes_found})
    given = find_classes(catalogue, options).names
    classes = object_classes(found, given, catalogue.source)
    painter = ObjectPainter(classes.background, options.overlap or "later")
    plan = Plan(f"{NAME}, {len(read)} of them", {}, classes.names)
    plan.labels = f"shapes are drawn in their order; {classes.words}"
    plan.remarks = painter.remarks
    used: dict[File, File] = {}
    index = FileIndex(catalogue.images)
    finders: dict[str, Finder] = {}
    empty: list[File] = []
    for file in sorted(read):
        finder = finders.setdefault(file.folder, Finder(index, str(file), file.folder))
        image = _image_of(file, read[file], index, finder)
        if image in used:
            raise InputError(f"{file}: is of {image.name}, as is {used[image].name}: keep one")
        used[image] = file
        if not read[file].shapes and not options.empty:
            empty.append(file)
            continue
        draw = functools.partial(_draw, read[file], classes.numbers, painter, str(file))
        unpack = functools.partial(_unpack, name=str(file)) if image == file else None
        plan.sets.setdefault(_split(file), []).append(Item("", image, draw=draw, unpack=unpack))
    plan.sets = {name: with_ids(items) for name, items in plan.sets.items()}
    without = [file for file in catalogue.images if file not in used]
    if without:
        plan.notes.append(images_alone(without, ""))
    if empty:
        plan.notes.append(
            f"{len(empty)} images without shapes, such as that of {empty[0].name}, left out; with "
            "`empty` they become background"
        )
    return plan


def _split(file: File) -> str:
    return next((part for part in file.folder.split("/") if part.lower() in SPLITS), "")


def _parse(data: bytes, name: str) -> _Annotated:
    content = json_object(data, name)
    found = []
    entries = content.get("shapes")
    if not isinstance(entries, list):
        raise FormatError(name, "its shapes are not a list")
    for number, entry in enumerate(entries, 1):
        what = f"{name}: shape {number}"
        if not isinstance(entry, dict) or not isinstance(entry.get("label"), str):
            raise FormatError(name, f"shape {number} has no label")
        kind = entry.get("shape_type") or "polygon"
        if not isinstance(kind, str) or (kind != "mask" and kind not in _DRAWERS):
            raise FormatError(
                name, f"shape {number} is a {kind!r}; expected mask, {', '.join(_DRAWERS)}"
            )
        points = shapes.points_of(entry.get("points"), what)
        found.append(_Shape(entry["label"], kind, points, entry.get("mask")))
    height, width = content.get("imageHeight"), content.get("imageWidth")
    size = (height, width) if isinstance(height, int) and isinstance(width, int) else None
    path = content.get("imagePath")
    holds_image = bool(content.get("imageData"))
    return _Annotated(path if isinstance(path, str) else "", holds_image, size, found)


def _image_of(file: File, annotated: _Annotated, index: FileIndex, finder: Finder) -> File:
    """The image of a JSON file: the one that it names, one of its own name, or itself."""
    path = annotated.image_path.replace("\\", "/")
    beside = posixpath.normpath(posixpath.join(file.folder, path)) if path else ""
    for wanted in (beside, posixpath.splitext(file.name)[0]):
        found = [im for im in index.ending(same_name(wanted)) if im.source == file.source]
        exact = [im for im in found if same_name(im.name) == same_name(wanted)]
        exact = exact or [im for im in found if same_name(im.name).startswith(same_name(wanted))]
        if len(exact) == 1:
            return exact[0]
    if annotated.holds_image:
        return file
    image = finder.find(path) if path else None
    if image is None:
        raise InputError(
            f"{file}: names the image {annotated.image_path!r}, which is not there, and holds "
            "none: pass the folder or archive of the images with {option}",
            option="images",
        )
    return image


def _unpack(data: bytes, name: str) -> bytes:
    return shapes.from_base64(json_object(data, name).get("imageData"), f"{name}: imageData")


def _draw(
    annotated: _Annotated,
    numbers: dict[str, int],
    painter: ObjectPainter,
    name: str,
    size: tuple[int, int],
) -> NDArray[np.uint8]:
    if annotated.size is not None:
        check_size(annotated.size, size, name)
    masks = (
        (numbers[shape.label], functools.partial(_mask, shape, size, f"{name}: shape {number}"))
        for number, shape in enumerate(annotated.shapes, 1)
    )
    return painter.draw(size, masks, name)


def _mask(shape: _Shape, size: tuple[int, int], name: str) -> NDArray[np.bool_]:
    if shape.kind != "mask":
        return shapes.drawn(_DRAWERS[shape.kind], shape.points, size, name)
    if not shape.points:
        raise InputError(f"{name}: a mask without its place")
    return shapes.bitmap(shape.mask, shape.points[0], size, name)
