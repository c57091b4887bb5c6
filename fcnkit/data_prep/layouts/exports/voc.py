"""PASCAL VOC's layout as annotation tools write it.

    [anything/]ImageSets/<task>/<set>.txt           CVAT: default.txt; labelme2voc: no sets at all
    [anything/]JPEGImages/<id>.<any image suffix>   CVAT: perhaps apart
    [anything/]SegmentationClass*/<id>.png          indices, or the colours of labelmap.txt

Lists may have two columns, the paths of image and label, as DeepLab's do.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from caffeformat import InputError
from fcnkit.images import voc_palette

from ..image_sets import same_name, set_lines, two_columns
from . import listed
from .catalogue import image_stem, is_image
from .class_files import find_classes
from .folders import images_alone, label_alone
from .listed import items_of_columns, with_ids
from .pairing import IMAGE_WORDS, pair_up, words_in
from .places import FileIndex, Finder
from .plan import Item, Plan
from .tables import label_reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .catalogue import Catalogue, File
    from .plan import DataOptions

NAME = "PASCAL VOC's layout"

_LIST = re.compile(r"((?:.*/)?)ImageSets/(?:([^/]+)/)?([^/]+)\.txt")
_LABELS = re.compile(r"((?:.*/)?)(SegmentationClass[^/]*)/(.+)", re.IGNORECASE)
_IMAGES, _BOXES = "JPEGImages", "Annotations"

# Sets that cover all images of a task, not those of one class.
_WHOLE_SETS = ("train", "val", "trainval", "test", "default", "all")


class MissingFiles(InputError):
    """Image sets name files that are not there."""


def recognise(
    catalogue: Catalogue,
    options: DataOptions,
    name: str | None = None,
    task: str | None = None,
) -> Plan | None:
    """The plan of a source in VOC's layout; None for any other.

    `name` is the folder to take if several are in the layout, `task` that of ImageSets.
    """
    root = _root(catalogue, name)
    if root is None or (options.layout is None and name is None and _only_lists(catalogue, root)):
        return None
    lists = _lists(catalogue, root, task)
    is_open = options.layout is None and name is None
    if is_open and not lists and listed.has_lists(catalogue):
        return None
    if is_open and _lists_say_all(catalogue, root, lists):
        return None
    labels, folder, others = _labels(catalogue, root, options)
    images = _images(catalogue, root)
    finder = _Finder(catalogue, images, labels)
    plan = Plan(f"{NAME}: {_words(root, images)} and {root}{folder}", {}, None)
    if lists:
        plan.kind += f", sets of {lists[0].folder}"
    for file in lists:
        set_name = file.name.rpartition("/")[2][: -len(".txt")]
        plan.sets[set_name], error = finder.items(file)
        if error is not None:
            plan.problems[set_name] = error
    if not lists:
        plan.sets[""], plan.notes = finder.pairs()
    plan.notes += [f"{root}{other}: other labels, left out" for other in others]
    classes = find_classes(catalogue, options, root.rstrip("/"))
    plan.names = classes.names
    used = plan.label_files() or labels
    plan.decode, plan.labels = label_reader(catalogue, options, classes, used, voc_palette())
    return plan


def _root(catalogue: Catalogue, name: str | None) -> str | None:
    """The path that holds the layout, ending in `/` or ""; None if there is none."""
    roots: dict[str, None] = {}
    for file in catalogue.files:
        match = _LIST.fullmatch(file.name) or _LABELS.fullmatch(file.name)
        if match and file.source == catalogue.source:
            roots[match.group(1)] = None
    if name is not None:
        roots = {root: None for root in roots if root.rstrip("/").rpartition("/")[2] == name}
    if len(roots) > 1:
        first, second, *_ = (root.rstrip("/") or "its top folder" for root in roots)
        raise InputError(
            f"{catalogue.source}: holds {first} and {second}: pass the folder or an archive of one "
            "of them, or choose it with prepare_pascal_voc_data"
        )
    return next(iter(roots), None)


def _only_lists(catalogue: Catalogue, root: str) -> bool:
    """Whether lists are all that VOC's layout and a source of other folders have in common."""
    names = [file.name[len(root) :] for file in catalogue.files if file.name.startswith(root)]
    own = (f"{_IMAGES}/", "SegmentationClass", f"{_BOXES}/")
    return bool(catalogue.photographs) and not any(name.startswith(own) for name in names)


def _lists_say_all(catalogue: Catalogue, root: str, lists: Sequence[File]) -> bool:
    """Whether lists name images and labels, and these are in other folders, as in DAVIS."""
    names = [file.name[len(root) :] for file in catalogue.files if file.name.startswith(root)]
    is_vocs = any(name.lower().startswith("segmentationclass") for name in names)
    return bool(lists) and not is_vocs and all(two_columns(catalogue.text(file)) for file in lists)


def _labels(
    catalogue: Catalogue, root: str, options: DataOptions
) -> tuple[list[File], str, list[str]]:
    """(label files, their folder below `root`, the folders of labels that are left aside)."""
    by_folder: dict[str, list[File]] = {}
    arrays: dict[str, list[File]] = {}
    wanted = (options.label_folder or "").strip("/").rpartition("/")[2]
    for file in catalogue.files:
        match = _LABELS.fullmatch(file.name)
        folder = match.group(2) if match else ""
        if wanted and file.name.startswith(f"{root}{wanted}/"):
            folder, match = wanted, None
        if file.source != catalogue.source or not folder:
            continue
        if (match and match.group(1) != root) or (not wanted and "vis" in folder.lower()):
            continue
        if file.name.lower().endswith(".npy"):
            arrays.setdefault(folder, []).append(file)
        elif is_image(file.name):
            by_folder.setdefault(folder, []).append(file)
    found, others = by_folder or arrays, []
    if wanted:
        found = {wanted: found[wanted]} if wanted in found else {}
    elif len(found) > 1 and "SegmentationClass" in found:
        others = [each for each in found if each != "SegmentationClass"]
        found = {"SegmentationClass": found["SegmentationClass"]}
    masks = [file for file in catalogue.images if file.name.startswith(f"{root}{_BOXES}/")]
    if not found and not wanted and masks:
        raise InputError(
            f"{catalogue.source}: is in PASCAL VOC's layout but has no labels in "
            f"{root}SegmentationClass: if {masks[0].name} is one, choose its folder with "
            "{option}",
            option="label_folder",
            value=_BOXES,
        )
    if not found:
        raise InputError(
            f"{catalogue.source}: is in PASCAL VOC's layout but has no labels in "
            f"{root}{wanted or 'SegmentationClass'}: boxes in Annotations are no masks; export "
            "segmentation masks, or name their folder with {option}",
            option="label_folder",
        )
    if len(found) > 1:
        raise InputError(
            f"{catalogue.source}: has several folders of labels, {', '.join(found)}: choose one "
            "with {option}",
            option="label_folder",
            value=next(iter(found)),
        )
    folder, files = next(iter(found.items()))
    return files, folder, others


def _images(catalogue: Catalogue, root: str) -> list[File]:
    if catalogue.apart is not None:
        return catalogue.photographs
    # Here, images need no suffix; a dot in their names may be part of them.
    found = catalogue.named(lambda name: name.startswith(f"{root}{_IMAGES}/"))
    if not found:
        found = [
            file
            for file in catalogue.images
            if file.name.startswith(root)
            and IMAGE_WORDS.intersection(words_in(file.name[len(root) :].partition("/")[0]))
        ]
    if not found:
        raise InputError(
            f"{catalogue.source}: is in PASCAL VOC's layout but has no images in {root}{_IMAGES}: "
            "pass their folder or archive with {option}; an archive that should hold them is "
            "truncated: fetch it again",
            option="images",
        )
    return found


def _lists(catalogue: Catalogue, root: str, task: str | None) -> list[File]:
    """The image sets, of one task."""
    by_task: dict[str, list[File]] = {}
    for file in catalogue.files:
        match = _LIST.fullmatch(file.name)
        if match and match.group(1) == root:
            by_task.setdefault(match.group(2) or "", []).append(file)
    if task is not None:
        return by_task.get(task, [])
    for name in ("Segmentation", "", *by_task):
        found = by_task.get(name, [])
        if name not in ("Segmentation", ""):
            whole = {f"{each}.txt" for each in _WHOLE_SETS}
            found = [file for file in found if file.name.rpartition("/")[2] in whole]
        if found:
            return found
    return []


def _words(root: str, images: Sequence[File]) -> str:
    folder = images[0].name[len(root) :].partition("/")[0]
    return f"{root}{folder}" if images[0].name.startswith(root) else images[0].source


class _Finder:
    """Finds the image and the label that the lines of image sets mean."""

    def __init__(self, catalogue: Catalogue, images: list[File], labels: list[File]) -> None:
        self._catalogue, self._images, self._labels = catalogue, images, labels
        self._image_index, self._label_index = FileIndex(images), FileIndex(labels)
        self._by_name: dict[File, File] | None = None

    def items(self, file: File) -> tuple[list[Item], InputError | None]:
        """The items of one image set, and the error for its lines that name nothing."""
        text = self._catalogue.text(file)
        if not text.strip():
            return [], None
        columns = two_columns(text)
        if columns:
            return items_of_columns(columns, file, self._catalogue), None
        images = Finder(self._image_index, str(file), of_labels=True)
        labels = Finder(self._label_index, str(file), of_labels=True)
        found: dict[File, Item] = {}
        missing: list[str] = []
        for meanings in set_lines(text, str(file)):
            item = self._item(meanings, images, labels)
            if item is None:
                missing.append(meanings[0])
            elif item.image in found:
                raise InputError(
                    f"{file}: {meanings[0]!r} names the image {item.image.name} that another line "
                    "names: correct the list"
                )
            else:
                found[item.image] = item
        return list(found.values()), self._lacking(file, missing) if missing else None

    def pairs(self) -> tuple[list[Item], list[str]]:
        """The items of a source without image sets, and notes."""
        images = [file for file in self._images if is_image(file.name)]
        found = pair_up(images, self._labels, _below)
        if found.labels:
            raise label_alone(found.labels, len(self._labels))
        notes = [images_alone(found.images, "")] if found.images else []
        return with_ids([Item("", image, label) for image, label in found.pairs]), notes

    def _item(self, meanings: Sequence[str], images: Finder, labels: Finder) -> Item | None:
        """What a line means: the first meaning with an image and a label."""
        for id_ in meanings:
            image = images.find(id_, shorten=False)
            if image is None:
                continue
            folder, slash, name = id_.rpartition("/")
            stem = f"{folder}{slash}{image_stem(name)}"
            label = labels.find(id_, shorten=False) or labels.find(stem, shorten=False)
            label = label or self._named_like(image)
            if label is not None:
                return Item(id_ if same_name(name) == same_name(image.stem) else stem, image, label)
        return None

    def _named_like(self, image: File) -> File | None:
        """The label of `image` where all labels have something at an end of their names."""
        if self._by_name is None:
            images = [file for file in self._images if is_image(file.name)]
            self._by_name = dict(pair_up(images, self._labels, _below).pairs)
        return self._by_name.get(image)

    def _lacking(self, file: File, missing: Sequence[str]) -> MissingFiles:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return MissingFiles(
            f"{file}: names {missing[0]!r}{more}, of which there is no image or no label: the "
            "archive is incomplete, or the list belongs to another; correct the list, or pass the "
            "images with {option}",
            option="images",
        )


def _below(file: File) -> str:
    """The folder of a file below the first one."""
    for folder in (_IMAGES, "SegmentationClass"):
        _, found, below = file.folder.partition(folder)
        if found:
            return below.partition("/")[2]
    return file.folder.partition("/")[2]
