"""Supervisely's projects: objects as outlines and bitmaps, in a JSON file per image.

    [anything/]meta.json                    {"classes": [{"title", "shape", "color"}]}
    [anything/]<dataset>/img/<file>
    [anything/]<dataset>/ann/<file>.json    {"size", "objects": [{"classTitle", "geometryType"}]}

Older exports have `<stem>.json`, and shapes that say what they are by the class of meta.json alone.
Objects of a class called `neutral` are ignored. Projects exported in VOC's layout have a
`colors.txt` and are read as such.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from caffeformat import FormatError, InputError

from . import shapes
from .catalogue import json_object
from .objects import ObjectPainter, check_size, object_classes
from .pairing import SPLITS
from .plan import Item, Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from .catalogue import Catalogue, File
    from .plan import DataOptions

NAME = "a Supervisely project"

_META = re.compile(r"((?:.*/)?)meta\.json")
_ANNOTATION = re.compile(r"(.*?)([^/]+)/ann/(.+)\.json")

_DRAWERS: dict[str, Callable[..., None]] = {
    "polygon": shapes.polygon,
    "rectangle": shapes.rectangle,
    "line": shapes.line,
    "point": shapes.dots,
}


def recognise(catalogue: Catalogue, options: DataOptions) -> Plan | None:
    """The plan of such a project; None for any other source."""
    metas = [file for file in catalogue.files if _META.fullmatch(file.name)]
    metas = [file for file in metas if "classes" in catalogue.json_keys.get(file, ())]
    annotations = {file: _ANNOTATION.fullmatch(file.name) for file in catalogue.json_keys}
    matches = {file: match for file, match in annotations.items() if match}
    if not metas or not matches:
        return None
    shapes_of = _shapes(catalogue.read(metas[:1])[metas[0]], str(metas[0]))
    classes = object_classes(list(shapes_of), options.classes, catalogue.source)
    painter = ObjectPainter(classes.background, options.overlap or "later")
    read: dict[File, dict[str, Any]] = {}

    def take(file: File, data: bytes) -> None:
        read[file] = json_object(data, str(file))

    catalogue.extract({file: [functools.partial(take, file)] for file in sorted(matches)})
    images = _Images(catalogue)
    names = {match.group(2) for match in matches.values()}
    plan = Plan(NAME, {}, classes.names)
    plan.labels, plan.remarks = f"objects are drawn; {classes.words}", painter.remarks
    empty = 0
    for file, match in sorted(matches.items()):
        above, dataset, image_name = match.groups()
        image = images.find(f"{above}{dataset}/img/{image_name}", str(file))
        if image is None:
            raise InputError(
                f"{file}: there is no image {dataset}/img/{image_name}: export the project with "
                "its images"
            )
        if not _objects(read[file], str(file)) and not options.empty:
            empty += 1
            continue
        objects = _Objects(classes.numbers, shapes_of, painter)
        draw = functools.partial(_draw, read[file], objects, str(file))
        is_set = len(names) > 1 or dataset.lower() in SPLITS
        plan.sets.setdefault(dataset if is_set else "", []).append(
            Item(image.stem, image, draw=draw)
        )
    if empty:
        plan.notes.append(
            f"{empty} images without objects, left out; with `empty` they become background"
        )
    return plan


class _Images:
    """The images of a project by their paths, in older exports without their suffixes."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._whole = {file.name: file for file in catalogue.images}
        self._by_stem: dict[str, list[File]] = {}
        for file in catalogue.images:
            self._by_stem.setdefault(f"{file.folder}/{file.stem}", []).append(file)

    def find(self, path: str, source: str) -> File | None:
        """The image at `path`. Raises `InputError` with `source` if it may be one of two."""
        found = [self._whole[path]] if path in self._whole else self._by_stem.get(path, [])
        if len(found) > 1:
            raise InputError(
                f"{source}: may be of {found[0].name} or of {found[1].name}: remove one of them"
            )
        return found[0] if found else None


class _Objects(NamedTuple):
    """What all objects are drawn by: indices and shapes of their classes, and the painter."""

    numbers: Mapping[str, int]
    shapes: Mapping[str, str | None]
    painter: ObjectPainter


def _shapes(data: bytes, name: str) -> dict[str, str | None]:
    """The classes of meta.json, in its order, each with the shape that it says."""
    entries = json_object(data, name).get("classes")
    if not isinstance(entries, list):
        raise FormatError(name, "its classes are not a list")
    found: dict[str, str | None] = {}
    for entry in entries:
        title = entry.get("title") if isinstance(entry, dict) else None
        if not isinstance(title, str):
            raise FormatError(name, "a class has no title")
        shape = entry.get("shape")
        found[title] = shape if isinstance(shape, str) else None
    return found


def _objects(content: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects of an image, each with the title of its class."""
    objects = content.get("objects") or []
    if not isinstance(objects, list):
        raise FormatError(name, "its objects are not a list")
    for number, entry in enumerate(objects, 1):
        if not isinstance(entry, dict) or not isinstance(entry.get("classTitle"), str):
            raise FormatError(name, f"object {number} has no class")
    return objects


def _draw(
    content: Mapping[str, Any],
    objects: _Objects,
    name: str,
    size: tuple[int, int],
) -> NDArray[np.uint8]:
    stated = content.get("size")
    if isinstance(stated, dict) and all(
        isinstance(stated.get(k), int) for k in ("height", "width")
    ):
        check_size((stated["height"], stated["width"]), size, name)
    masks = []
    for number, entry in enumerate(_objects(content, name), 1):
        what = f"{name}: object {number}"
        title = entry["classTitle"]
        if title not in objects.numbers:
            raise FormatError(name, f"object {number} has no class that meta.json lists")
        kind = entry.get("geometryType") or _kind_of(entry, objects.shapes.get(title))
        make = functools.partial(_mask, entry, kind, size, what)
        masks.append((objects.numbers[title], make))
    return objects.painter.draw(size, masks, name)


def _kind_of(entry: Mapping[str, Any], shape: str | None) -> str | None:
    """What an object of an older export is: a bitmap if it has one, else as its class says."""
    if entry.get("bitmap"):
        return "bitmap"
    return "polygon" if shape in (None, "any", "bitmap") and entry.get("points") else shape


def _mask(
    entry: Mapping[str, Any], kind: object, size: tuple[int, int], name: str
) -> NDArray[np.bool_]:
    if kind == "bitmap":
        content = entry.get("bitmap")
        if not isinstance(content, dict):
            raise InputError(f"{name}: a bitmap without data")
        origin = shapes.points_of([content.get("origin")], name)[0]
        return shapes.bitmap(content.get("data"), origin, size, name, deflated=True)
    if not isinstance(kind, str) or kind not in _DRAWERS:
        raise InputError(f"{name}: is a {kind!r}; expected bitmap, {', '.join(_DRAWERS)}")
    points = entry.get("points")
    if not isinstance(points, dict):
        raise InputError(f"{name}: has no points")
    outline = shapes.points_of(points.get("exterior"), name)
    inner = points.get("interior") or []
    if not isinstance(inner, list):
        raise InputError(f"{name}: its interior is not a list of outlines")
    holes = [shapes.points_of(hole, name) for hole in inner]
    return shapes.drawn(_DRAWERS[kind], outline, size, name, holes)
