"""Reads COCO's instances_<set>.json as far as VOC's classes need it.

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
    objects: list[tuple[int, str]]  # (VOC's class index, annotation as JSON)


def read_annotations(chunks: Iterable[bytes], source: str) -> list[AnnotatedImage]:
    """Read the images that show one of VOC's classes, in the file's order.

    `chunks` are the file's bytes, `source` is what errors call it. Annotations stay text until they
    are drawn, so that they take no more memory than in the file.
    """
    reader = _Reader()
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
    if not reader.classes:
        problem = "no category has the name of one of VOC's classes"
        raise FormatError(source, f"not in COCO's format: {problem}")
    for key in reader.objects:
        if key not in reader.images:
            problem = f"annotations of the image {key!r}, which is not in images"
            raise FormatError(source, f"not in COCO's format: {problem}")
    return list(reader.annotated())


class _Reader:
    """What was found so far: `images` and `objects` by image id, `classes` by category id."""

    def __init__(self) -> None:
        self.images: dict[Identity, tuple[str, int, int]] = {}
        self.classes: dict[Identity, int] = {}
        self.objects: dict[Identity, list[tuple[Identity, str]]] = collections.defaultdict(list)
        self.lists: dict[str, Callable[[Entry, str], None]] = {
            "images": self.image,
            "categories": self.category,
            "annotations": self.annotation,
        }
        self._indices = {name: index for index, name in enumerate(voc_class_names())}

    def image(self, entry: Entry, text: str) -> None:
        key, size = _identity(entry, "id"), (entry["height"], entry["width"])
        if not all(type(length) is int and length > 0 for length in size):
            raise ValueError("height and width have to be whole numbers above 0")
        if key in self.images:
            raise ValueError(f"two images have the id {key!r}")
        self.images[key] = (_text(entry, "file_name"), *size)

    def category(self, entry: Entry, text: str) -> None:
        key, name = _identity(entry, "id"), _text(entry, "name")
        index = self._indices.get(_VOC_NAMES.get(name, name))
        if index is not None and self.classes.setdefault(key, index) != index:
            raise ValueError(f"two categories have the id {key!r}")

    def annotation(self, entry: Entry, text: str) -> None:
        category, image = _identity(entry, "category_id"), _identity(entry, "image_id")
        if "segmentation" not in entry:
            raise KeyError("segmentation")
        # Categories may follow the annotations, as they do in COCO's own files.
        if not self.classes or category in self.classes:
            self.objects[image].append((category, text))

    def annotated(self) -> Iterator[AnnotatedImage]:
        for key, image in self.images.items():
            objects = [
                (self.classes[category], text)
                for category, text in self.objects.get(key, ())
                if category in self.classes
            ]
            if objects:
                yield AnnotatedImage(*image, objects)


def segmentation_of(text: str) -> Any:
    """The `segmentation` of an annotation's text: polygons, or run lengths."""
    return json.loads(text)["segmentation"]


def _identity(entry: Entry, name: str) -> Identity:
    value = entry[name]
    if not isinstance(value, (int, str)):
        raise ValueError(f"{name} has to be a number or a text")
    return value


def _text(entry: Entry, name: str) -> str:
    value = entry[name]
    if not isinstance(value, str):
        raise ValueError(f"{name} has to be a text")
    return value
