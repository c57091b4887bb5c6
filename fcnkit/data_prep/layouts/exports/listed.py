"""Lists with two columns, the paths of an image and of its label, as DeepLab's and SegNet's are.

/JPEGImages/2007_000032.jpg /SegmentationClassAug/2007_000032.png
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from caffeformat import FormatError, InputError

from ..image_sets import set_lines, two_columns
from .class_files import find_classes
from .pairing import SPLITS, split_of
from .places import FileIndex, Finder
from .plan import Item, Plan
from .tables import label_reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .catalogue import Catalogue, File
    from .plan import DataOptions

NAME = "lists of images and labels"


def recognise(catalogue: Catalogue, options: DataOptions) -> Plan | None:
    """The plan of a source that has such lists; None for any other."""
    lists = _lists_of_pairs(catalogue)
    if not lists:
        return None
    sets: dict[str, list[Item]] = {}
    for file, columns in lists.items():
        stem = os.path.splitext(file.name.rpartition("/")[2])[0]
        names = (split_of(stem) or stem, stem, os.path.splitext(file.name)[0], file.name)
        name = next(name for name in names if name not in sets)
        sets[name] = items_of_columns(columns, file, catalogue)
    classes = find_classes(catalogue, options)
    labels = [item.label for items in sets.values() for item in items if item.label]
    decode, how = label_reader(catalogue, options, classes, labels)
    kind = f"{NAME}: {', '.join(file.name for file in lists)}"
    return Plan(kind, sets, classes.names, decode, how)


def has_lists(catalogue: Catalogue) -> bool:
    """Whether a source has lists with two columns."""
    return bool(_lists_of_pairs(catalogue))


def _lists_of_pairs(catalogue: Catalogue) -> dict[File, list[tuple[str, str]]]:
    texts = catalogue.named(lambda name: name.lower().endswith(".txt"))
    found = {file: two_columns(catalogue.text(file)) for file in texts}
    return {file: columns for file, columns in found.items() if columns}


def items_of_columns(
    columns: Iterable[tuple[str, str]], source: File, catalogue: Catalogue
) -> list[Item]:
    """The items that the lines of a list name.

    Raises `InputError` if a file is not there, or two lines name the same image.
    """
    images = Finder(FileIndex(catalogue.photographs), str(source))
    labels = Finder(FileIndex(catalogue.images), str(source), of_labels=True)
    found: list[Item] = []
    seen: set[File] = set()
    for number, (image_path, label_path) in enumerate(columns, 1):
        image, label = images.find(image_path.strip('"')), labels.find(label_path.strip('"'))
        if image is None or label is None or image == label:
            missing = label_path if image is not None and label is None else image_path
            raise InputError(
                f"{source}: names {missing} in line {number}, which is not there: pass the images' "
                "folder or archive with {option}, or correct the list",
                option="images",
            )
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


def split_by_lists(catalogue: Catalogue, plan: Plan) -> None:
    """Split a plan without sets by lists called train, val or test, if the source has them.

    A list counts if most of its lines are ids or paths of the plan's images; what it names beyond
    them has no label and is noted, and so are lists that do not count.
    """
    if list(plan.sets) != [""]:
        return
    of_image = {item.image: item for item in plan.sets[""]}
    index = FileIndex(of_image)
    sets: dict[str, list[Item]] = {}
    unused: list[str] = []
    stems = {file.stem for file in of_image}  # a text file may be of one image
    for file, name, is_read in _lists_of_sets(catalogue):
        lines = _lines(catalogue.text(file), file) if is_read and name not in sets else []
        finder = Finder(index, str(file))
        images = [next(filter(None, map(finder.find, meanings)), None) for meanings in lines]
        found = [of_image[image] for image in dict.fromkeys(images) if image is not None]
        if 2 * len(found) > len(lines):
            sets[name] = found
            if len(found) < len(lines):
                more = len(lines) - len(found)
                plan.notes.append(f"{file.name}: {more} of its {len(lines)} lines have no pair")
            plan.kind += f", set of {file.name}"
        elif _name(file) not in stems:
            unused.append(file.name)
    if unused:
        rest = f" and {len(unused) - _MOST_NOTED} more" if len(unused) > _MOST_NOTED else ""
        plan.notes.append(
            f"not used as lists of images: {', '.join(unused[:_MOST_NOTED])}{rest} (a list has an "
            "id or path per line, and is called train.txt or val.txt)"
        )
    if sets:
        plan.sets = sets
        listed = {item.image for items in sets.values() for item in items}
        left = [item for image, item in of_image.items() if image not in listed]
        if left and set(sets) == {"val"}:
            plan.sets = {"train": left, **sets}
            plan.notes.append(f"{len(left)} pairs that the list does not name are for training")
        elif left:
            plan.notes.append(f"{len(left)} pairs are in none of the lists")


def _lists_of_sets(catalogue: Catalogue) -> Iterator[tuple[File, str, bool]]:
    """(file, its set, whether it is read) of what may be lists of sets, plain names first."""
    files = catalogue.named(lambda name: name.lower().endswith(_LISTS))
    for file in sorted(files, key=lambda file: _name(file).lower() not in SPLITS):
        name = split_of(_name(file))
        if name:
            yield file, name, file.name.lower().endswith(_LISTS[0])


# Suffixes of lists, of which the first is read.
_LISTS = (".txt", ".lst", ".csv")
_MOST_NOTED = 4


def _name(file: File) -> str:
    return os.path.splitext(file.name.rpartition("/")[2])[0]


def _lines(text: str, file: File) -> list[tuple[str, ...]]:
    """The lines of a list of images, with all that they may mean; [] for other text."""
    try:
        lines = (re.sub(r'^("?)(?:\.{0,2}[/\\])+', r"\1", line) for line in text.splitlines())
        return set_lines("\n".join(lines), str(file))
    except FormatError:
        return []
