"""COCO's instances_<set>.json, as far as VOC's classes need it.

    {"images": [{"id", "file_name", "height", "width"}],
     "categories": [{"id", "name"}],
     "annotations": [{"image_id", "category_id", "segmentation"}]}

https://cocodataset.org/#format-data
"""

import collections
import json

from caffeformat import FormatError
from fcnkit.files import list_elements
from fcnkit.images import voc_class_names

# COCO's names where VOC has another for the same class.
_VOC_NAMES = {
    "airplane": "aeroplane",
    "couch": "sofa",
    "dining table": "diningtable",
    "motorcycle": "motorbike",
    "potted plant": "pottedplant",
    "tv": "tvmonitor",
}

AnnotatedImage = collections.namedtuple("AnnotatedImage", "file height width objects")
AnnotatedImage.__doc__ = """An image with its objects: [(VOC's class index, annotation as JSON)]."""


def read_annotations(chunks, source):
    """The `AnnotatedImage`s in which something of VOC's classes is, in the file's order.

    chunks: of the file, bytes; source: what errors call it. Annotations stay text until they are
    drawn, so that all of them take no more memory than they do in the file.
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
            raise FormatError(source, f"not COCO's form: {problem}") from None
        except ValueError as error:
            problem = f"in {list_name}: {error}: {text[:80]}"
            raise FormatError(source, f"not COCO's form: {problem}") from None
    if not reader.classes:
        raise FormatError(source, "not COCO's form: no category has the name of a class of VOC's")
    for key in reader.objects:
        if key not in reader.images:
            problem = f"annotations of the image {key!r}, which is not in images"
            raise FormatError(source, f"not COCO's form: {problem}")
    return list(reader.annotated())


class _Reader:
    """What was found so far: `images` and `objects` by the image's id, `classes` by category's."""

    def __init__(self):
        self.images, self.classes = {}, {}
        self.objects = collections.defaultdict(list)
        self.lists = {
            "images": self.image,
            "categories": self.category,
            "annotations": self.annotation,
        }
        self._indices = {name: index for index, name in enumerate(voc_class_names())}

    def image(self, entry, text):
        key, size = _identity(entry, "id"), (entry["height"], entry["width"])
        if not all(type(length) is int and length > 0 for length in size):
            raise ValueError("height and width have to be whole numbers above 0")
        if key in self.images:
            raise ValueError(f"two images have the id {key!r}")
        self.images[key] = (_text(entry, "file_name"), *size)

    def category(self, entry, text):
        key, name = _identity(entry, "id"), _text(entry, "name")
        index = self._indices.get(_VOC_NAMES.get(name, name))
        if index is not None and self.classes.setdefault(key, index) != index:
            raise ValueError(f"two categories have the id {key!r}")

    def annotation(self, entry, text):
        category, image = _identity(entry, "category_id"), _identity(entry, "image_id")
        if "segmentation" not in entry:
            raise KeyError("segmentation")
        # Categories may come behind the annotations, as they do in COCO's own files.
        if not self.classes or category in self.classes:
            self.objects[image].append((category, text))

    def annotated(self):
        for key, image in self.images.items():
            objects = [
                (self.classes[category], text)
                for category, text in self.objects.get(key, ())
                if category in self.classes
            ]
            if objects:
                yield AnnotatedImage(*image, objects)


def segmentation_of(text):
    """The `segmentation` of an annotation's text: polygons, or run lengths."""
    return json.loads(text)["segmentation"]


def _identity(entry, name):
    if not isinstance(entry[name], (int, str)):
        raise ValueError(f"{name} has to be a number or a text")
    return entry[name]


def _text(entry, name):
    if not isinstance(entry[name], str):
        raise ValueError(f"{name} has to be a text")
    return entry[name]
