"""Lists with two columns, the paths of an image and of its label, as DeepLab's and SegNet's are.

/JPEGImages/2007_000032.jpg /SegmentationClassAug/2007_000032.png
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from caffeformat import InputError

from ..image_sets import two_columns
from .places import FileIndex, Finder
from .plan import Item, Plan
from .tables import find_classes, label_reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .catalogue import Catalogue, File
    from .plan import DataOptions

NAME = "lists of images and labels"


def recognise(catalogue: Catalogue, options: DataOptions) -> Plan | None:
    """The plan of a source that has such lists; None for any other."""
    lists: dict[File, list[tuple[str, str]]] = {}
    for file in catalogue.named(lambda name: name.lower().endswith(".txt")):
        columns = two_columns(catalogue.text(file))
        if columns:
            lists[file] = columns
    if not lists:
        return None
    index = FileIndex(catalogue.images)
    sets = {
        os.path.splitext(file.name.rpartition("/")[2])[0]: items_of_columns(columns, file, index)
        for file, columns in lists.items()
    }
    classes = find_classes(catalogue, options)
    labels = [item.label for items in sets.values() for item in items if item.label]
    decode, how = label_reader(catalogue, options, classes, labels)
    kind = f"{NAME}: {', '.join(file.name for file in lists)}"
    return Plan(kind, sets, classes.names, decode, how)


def items_of_columns(
    columns: Iterable[tuple[str, str]], source: File, index: FileIndex
) -> list[Item]:
    """The items that the lines of a list name.

    Raises `InputError` if a file is not there, or two lines name the same image.
    """
    images, labels = Finder(index, str(source)), Finder(index, str(source))
    found: list[Item] = []
    seen: set[File] = set()
    for number, (image_path, label_path) in enumerate(columns, 1):
        image, label = images.find(image_path.strip('"')), labels.find(label_path.strip('"'))
        if image is None or label is None:
            missing = image_path if image is None else label_path
            raise InputError(f"{source}: names {missing} in line {number}, which is not there")
        if image in seen:
            raise InputError(f"{source}: names the image {image.name} twice, in line {number}, too")
        seen.add(image)
        found.append(Item("", image, label))
    return with_ids(found)


def with_ids(items: Sequence[Item]) -> list[Item]:
    """`items` with the paths of their images below the folder that all have in common as ids."""
    if not items:
        return []
    folders = [item.image.folder.split("/") if item.image.folder else [] for item in items]
    common = 0
    while all(len(f) > common for f in folders) and len({f[common] for f in folders}) == 1:
        common += 1
    return [
        item._replace(id="/".join([*folder[common:], _stem(item)]))
        for item, folder in zip(items, folders)
    ]


def _stem(item: Item) -> str:
    """The name of an image without suffix; if it is in a file of annotations, that file's."""
    if item.unpack is None:
        return item.image.stem
    return os.path.splitext(item.image.name.rpartition("/")[2])[0]
