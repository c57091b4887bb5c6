"""Reads COCO's instances_<set>.json, for VOC's classes or with whatever classes it has.

    {"images": [{"id", "file_name", "height", "width"}],
     "categories": [{"id", "name"}],
     "annotations": [{"image_id", "category_id", "segmentation"}]}

https://cocodataset.org/#format-data
"""

from __future__ import annotations

import collections
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from caffeformat import FormatError
from fcnkit.files import list_elements
from fcnkit.images import voc_class_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Union

    Identity = Union[int, str]
    Entry = Mapping[str, Any]

# COCO's name -> VOC's, if they differ for the same class.
_VOC_NAMES = {
    "airplane": "aeroplane",
    "couch": "sofa",
    "dining table": "diningtable",
    "motorcycle": "motorbike",
    "potted plant": "pottedplant",
    "tv": "tvmonitor",
}


class AnnotatedImage(NamedTuple):
    """An image with its objects."""

    file: str
    height: int
    width: int
    objects: list[tuple[Any, str]]  # (VOC's class index or category id, annotation as JSON)


class Instances(NamedTuple):
    """What a file in COCO's format says, with its own categories."""

    categories: dict[Identity, str]  # names by id, in the order of the file
    groups: dict[Identity, str]  # supercategories by id
    images: list[AnnotatedImage]  # all images; objects have category ids
    boxes: int  # annotations without a segmentation


def read_annotations(chunks: Iterable[bytes], source: str) -> list[AnnotatedImage]:
    """Read the images that show one of VOC's classes, in the file's order.

    `chunks` are the file's bytes, `source` is what errors call it. Annotations stay text until they
    are drawn, so that they take no more memory than in the file.
    """
    indices = {name: index for index, name in enumerate(voc_class_names())}
    reader = _Reader(lambda name: indices.get(_VOC_NAMES.get(name, name)))
    _read(reader, chunks, source)
    if not reader.classes:
        problem = "no category has the name of one of VOC's classes"
        raise FormatError(source, f"not in COCO's format: {problem}")
    return [image for image in reader.annotated() if image.objects]


def read_instances(chunks: Iterable[bytes], source: str) -> Instances:
    """Read all images with all objects that have a segmentation; as `read_annotations`."""
    reader = _Reader(None)
    _read(reader, chunks, source)
    for key, objects in reader.objects.items():
        unknown = next((id_ for id_, _ in objects if id_ not in reader.names), None)
        if unknown is not None:
            problem = f"the image {key!r} has the category {unknown!r}, which is not in categories"
            raise FormatError(source, f"not in COCO's format: {problem}")
    return Instances(reader.names, reader.groups, list(reader.annotated()), reader.boxes)


def _read(reader: _Reader, chunks: Iterable[bytes], source: str) -> None:
    for list_name, entry, text in list_elements(chunks, source):
        read = reader.lists.get(list_name)
        if read is None:
            continue
        try:
            if not isinstance(entry, dict):
                raise ValueError("expected an object")
            read(entry, text)
        except KeyError as error:
            problem = f"an entry of {list_name} lacks {error}: {text[:80]}"
            raise FormatError(source, f"not in COCO's format: {problem}") from None
        except ValueError as error:
            problem = f"in {list_name}: {error}: {text[:80]}"
            raise FormatError(source, f"not in COCO's format: {problem}") from None
    for key in reader.objects:
        if key not in reader.images:
            problem = f"annotations of the image {key!r}, which is not in images"
            raise FormatError(source, f"not in COCO's format: {problem}")


class _Reader:
    """What was found so far.

    `images` and `objects` by image id; `names`, `groups` and `classes` by category id, the last
    only of those for which `index_of`, if there is one, returns an index.
    """

    def __init__(self, index_of: Callable[[str], int | None] | None) -> None:
        self.images: dict[Identity, tuple[str, int, int]] = {}
        self.names: dict[Identity, str] = {}
        self.groups: dict[Identity, str] = {}
        self.classes: dict[Identity, int] = {}
        self.objects: dict[Identity, list[tuple[Identity, str]]] = collections.defaultdict(list)
        self.boxes = 0
        self.lists: dict[str, Callable[[Entry, str], None]] = {
            "images": self.image,
            "categories": self.category,
            "annotations": self.annotation,
        }
        self._index_of = index_of

    def image(self, entry: Entry, text: str) -> None:
        key = _identity(entry, "id")
        height, width = _extent(entry, "height"), _extent(entry, "width")
        if key in self.images:
            raise ValueError(f"two images have the id {key!r}")
        self.images[key] = (_text(entry, "file_name"), height, width)

    def category(self, entry: Entry, text: str) -> None:
        key, name = _identity(entry, "id"), _text(entry, "name")
        if self._index_of is None:
            if self.names.setdefault(key, name) != name:
                raise ValueError(f"two categories have the id {key!r}")
            self.groups[key] = str(entry.get("supercategory") or "")
            return
        index = self._index_of(name)
        if index is not None and self.classes.setdefault(key, index) != index:
            raise ValueError(f"two categories have the id {key!r}")

    def annotation(self, entry: Entry, text: str) -> None:
        category, image = _identity(entry, "category_id"), _identity(entry, "image_id")
        if self._index_of is None:
            if entry.get("segmentation"):
                self.objects[image].append((category, text))
            else:
                self.boxes += 1
            return
        if "segmentation" not in entry:
            raise KeyError("segmentation")
        # Categories may follow the annotations, as they do in COCO's own files.
        if not self.classes or category in self.classes:
            self.objects[image].append((category, text))

    def annotated(self) -> Iterator[AnnotatedImage]:
        for key, image in self.images.items():
            objects = self.objects.get(key, [])
            if self._index_of is not None:
                objects = [
                    (self.classes[category], text)
                    for category, text in objects
                    if category in self.classes
                ]
            yield AnnotatedImage(*image, objects)


def segmentation_of(text: str) -> Any:
    """The `segmentation` of an annotation's text: polygons, or run lengths.

    VIA writes a polygon alone, without the list around it.
    """
    found = json.loads(text)["segmentation"]
    is_alone = isinstance(found, list) and all(map(_is_number, found))
    return [found] if is_alone else found


def has_corners(segmentation: Any) -> bool:
    """Whether a segmentation may cover any pixel: not if its polygons have one or two corners."""
    if not isinstance(segmentation, list):
        return True
    return not all(
        isinstance(polygon, list) and len(polygon) < 6 and all(map(_is_number, polygon))
        for polygon in segmentation
    )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _identity(entry: Entry, name: str) -> Identity:
    """An id; some tools write whole numbers as `1.0`, or as text where they refer to others."""
    value = entry[name]
    if type(value) is float and value.is_integer():
        value = int(value)
    if isinstance(value, str) and value.isdecimal() and str(int(value)) == value:
        value = int(value)
    if not isinstance(value, (int, str)):
        raise ValueError(f"{name} has to be a number or a text")
    return value


def _extent(entry: Entry, name: str) -> int:
    """A whole number above 0, which some tools write as 640.0."""
    value = entry[name]
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or value < 1:
        raise ValueError("height and width have to be whole numbers above 0")
    return value


def _text(entry: Entry, name: str) -> str:
    value = entry[name]
    if not isinstance(value, str):
        raise ValueError(f"{name} has to be a text")
    return value
