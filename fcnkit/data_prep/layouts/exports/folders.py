"""Images in one folder, labels in another: in whatever order the folders and sets are nested.

    {train,val}/{images,labels}     images/train, masks/train     img_dir/train, ann_dir/train
    train, train_labels, ...        images, labels                X_Training_Input, X_Training_GT
    images/{train,val}, masks       images, masks/{train,val}

Folders of labels are told by words in their names. Labels may have something at the ends of their
names that images lack.
"""

from __future__ import annotations

import collections
import os
import re
from typing import TYPE_CHECKING, NamedTuple

from caffeformat import InputError
from fcnkit.datasets import unread_kind

from .catalogue import is_image
from .class_files import find_classes
from .pairing import IMAGE_WORDS, LABEL_WORDS, SPLITS, VISUAL_WORDS, pair_up, words_in
from .plan import Item, Plan
from .tables import label_reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .catalogue import Catalogue, File
    from .pairing import Paired
    from .plan import DataOptions

NAME = "folders of images and of labels"

# What is behind the name of a label in those of its copies for people; EISeg has the first two.
_ENDS_OF_COPIES = {"pseudo", "cutout", *VISUAL_WORDS}

# Other folders that notes name.
_MOST_NOTED = 4


class _Place(NamedTuple):
    """What the path of a file says."""

    role: str  # "image", "label", "visual" (labels in colours to look at) or ""
    folder: str  # the name of the folder that says so, without the words of sets
    split: str  # the set as the path calls it, or ""
    below: str  # the other folders, without that of the set


def recognise(catalogue: Catalogue, options: DataOptions) -> Plan | None:
    """The plan of a source with folders of labels; None for any other."""
    places = _places(catalogue, options, 0)
    if not any(place.role for place in places.values()):
        # What all files have in common is a project's name, but it may be `masks`.
        places = _places(catalogue, options, 1)
    if not any(place.role in ("label", "visual") for place in places.values()):
        places = _places(catalogue, options, 0, within=True)
    if catalogue.apart is not None:
        places = _by_source(catalogue, places)
    roles = {place.role for place in places.values()}
    role = "label" if "label" in roles else "visual"
    labels = {file: place for file, place in places.items() if place.role == role}
    if not labels:
        return None
    labels = _without_copies(_one_folder(catalogue, labels, options))
    images = {file: place for file, place in places.items() if place.role == "image"}
    if not images:
        images = {file: place for file, place in places.items() if not place.role}
    images = {file: place for file, place in images.items() if is_image(file.name)}
    if not images:
        raise _no_images(catalogue, list(labels))
    plan = _plan(catalogue, options, images, labels)
    if plan is not None:
        others = [file for file in places if file not in images and file not in labels]
        counted = collections.Counter(file.folder or "its top folder" for file in others)
        plan.notes += [
            f"{folder}: {count} files, neither taken as images nor as labels"
            for folder, count in counted.most_common(_MOST_NOTED)
        ]
    return plan


def _places(
    catalogue: Catalogue, options: DataOptions, keep: int, within: bool = False
) -> dict[File, _Place]:
    """What the paths say below the folders that all have in common, of which `keep` count.

    `within` says that labels may be in a folder called `images` within one of labels, as in iSAID.
    """
    places: dict[File, _Place] = {}
    for source in (catalogue.source, catalogue.apart):
        files = [file for file in catalogue.named(_may_be_pixels) if file.source == source]
        top = max(0, _common_folder(file.folder for file in files) - keep)
        chosen = options.label_folder
        places.update({file: _place(file, top, chosen, within) for file in files})
    return places


def _plan(
    catalogue: Catalogue,
    options: DataOptions,
    images: dict[File, _Place],
    labels: dict[File, _Place],
) -> Plan | None:
    notes: list[str] = []
    sets: dict[str, list[Item]] = {}
    shortened: set[tuple[str, str]] = set()
    are_told_by_one = _only_one_has_sets(images, labels)
    of_labels = dict.fromkeys(place.split for place in labels.values())
    for name in [None] if are_told_by_one else of_labels:
        ours = [file for file, place in images.items() if _same_set(place.split, name)]
        theirs = [file for file, place in labels.items() if name in (None, place.split)]
        found = pair_up(ours, theirs, lambda file: (images.get(file) or labels[file]).below)
        if found.labels and (found.pairs or ours):
            raise (
                _unread_image(catalogue, found.labels)
                or _two_labels(found)
                or label_alone(found.labels, len(theirs))
            )
        if found.labels:
            raise _no_images(catalogue, found.labels)
        if found.images:
            notes.append(images_alone(found.images, name or ""))
        if found.patterns is not None:
            shortened.add(found.patterns)
        for image, label in found.pairs:
            split = images[image].split or labels[label].split if name is None else name
            id_ = "/".join(filter(None, (images[image].below, image.stem)))
            sets.setdefault(split, []).append(Item(id_, image, label))
    unused = {place.split for place in images.values()} - set(sets)
    for name in sorted(unused) if not are_told_by_one else ():
        count = sum(place.split == name for place in images.values())
        notes.append(f"{name or 'images'}: {count} images without labels, left out")
    first = next(iter(labels))
    folder = labels[first].folder
    kind = f"{NAME}: {images[next(iter(images))].folder or '(top)'} and {folder}"
    kind += "".join(f", names `{a}` and `{b}`" for a, b in sorted(shortened))
    classes = find_classes(catalogue, options)
    decode, how = label_reader(catalogue, options, classes, list(labels))
    return Plan(kind, sets, classes.names, decode, how, notes)


def _may_be_pixels(name: str) -> bool:
    return is_image(name) or name.lower().endswith(".npy")


def _by_source(catalogue: Catalogue, places: dict[File, _Place]) -> dict[File, _Place]:
    """`places` where images have a source of their own, and what is in the other are labels."""
    are_told = any(
        place.role == "label" for file, place in places.items() if file.source == catalogue.source
    )
    found: dict[File, _Place] = {}
    for file, place in places.items():
        if file.source == catalogue.apart:
            found[file] = place._replace(role="image")
        elif place.role == "label" or not are_told:
            found[file] = place._replace(role="label")
    return found


def _common_folder(folders: Iterable[str]) -> int:
    """How many folders all paths have in common."""
    common: list[str] | None = None
    for folder in folders:
        parts = folder.split("/") if folder else []
        if common is None:
            common = parts
        while common and parts[: len(common)] != common:
            common.pop()
    return len(common or ())


def _place(file: File, top: int, label_folder: str | None, within: bool) -> _Place:
    """What the folders of a file say, below the `top` ones that all have in common."""
    parts = file.folder.split("/")[top:] if file.folder else []
    role, at, split, split_at, inner = "", -1, "", -1, -1
    for number, part in enumerate(parts):
        words = words_in(part)
        is_label = bool(LABEL_WORDS.intersection(words))
        if label_folder is not None:
            path = "/".join(["", *parts[: number + 1]])
            is_label = path.endswith(f"/{label_folder.strip('/')}")
        elif is_label and len(words) > 1 and words[-1] in IMAGE_WORDS:
            is_label = bool({"mask", "label", *VISUAL_WORDS}.intersection(words))  # mask_images
        if within and role == "label" and not is_label and IMAGE_WORDS.issuperset(words):
            inner = number
        elif is_label or IMAGE_WORDS.intersection(words):
            role, at = "label" if is_label else "image", number
        if role == "label" and label_folder is None and VISUAL_WORDS.intersection(words):
            role, at = "visual", number  # also labels/colormaps
        names = [word for word in words if word in SPLITS]
        if names and not split:
            split, split_at = names[0], number
    folder = parts[at] if at >= 0 else ""
    kept = [
        part
        for number, part in enumerate(parts)
        if number not in (at, split_at, inner) and part.lower() not in SPLITS
    ]
    return _Place(role, _without_set(folder), split, "/".join(kept))


def _without_set(folder: str) -> str:
    """`folder` with words of sets replaced, so that train_labels and val_labels are one."""
    parts = []
    for part in folder.split("/"):
        words = words_in(part)
        rest = [word for word in words if word not in SPLITS]
        parts.append("_".join(["*", *rest]) if len(rest) < len(words) else part)
    return "/".join(parts)


def _only_one_has_sets(images: dict[File, _Place], labels: dict[File, _Place]) -> bool:
    """Whether either images or labels are split into sets, and all of the others in one folder."""
    of_images = {place.split for place in images.values()}
    of_labels = {place.split for place in labels.values()}
    if of_images == {""}:
        return of_labels != {""}
    return of_labels == {""} and "" not in of_images


def _same_set(split: str, name: str | None) -> bool:
    """Whether images of the set `split` may belong to labels of the set `name`; None is any."""
    if name is None:
        return True
    return split == name or (SPLITS.get(split, split) == SPLITS.get(name, name))


def _one_folder(
    catalogue: Catalogue, labels: dict[File, _Place], options: DataOptions
) -> dict[File, _Place]:
    """The labels of one kind of folder. Raises `InputError` where there are several."""
    folders = list(dict.fromkeys(place.folder for place in labels.values()))
    if len(folders) == 1:
        return labels
    raise InputError(
        f"{catalogue.source}: has several folders that may hold the labels, {', '.join(folders)}: "
        "choose one with {option}",
        option="label_folder",
        value=folders[0].rpartition("/")[2].replace("*_", ""),
    )


def _without_copies(labels: dict[File, _Place]) -> dict[File, _Place]:
    """`labels` without copies of them in colours for people, such as EISeg's `x_pseudo.png`."""
    stems = {(file.folder, file.stem) for file in labels}

    def is_copy(file: File) -> bool:
        whole, _, end = file.stem.rpartition("_")
        return (file.folder, whole) in stems and end.lower() in _ENDS_OF_COPIES

    return {file: place for file, place in labels.items() if not is_copy(file)}


def label_alone(labels: Sequence[File], count: int) -> InputError:
    """The error for labels whose images are not there."""
    more = f" and {len(labels) - 1} more of {count}" if len(labels) > 1 else ""
    return InputError(
        f"{labels[0]}: there is no image for this label{more}: add it, remove the label, or pass "
        "the folder or archive of the images with {option}",
        option="images",
    )


def _two_labels(found: Paired) -> InputError | None:
    """The error for labels of which several go with one image; None where none do."""
    known = {_number(image.stem) for image, _ in found.pairs}
    known.update(_number(image.stem) for image in found.images)
    taken = {_number(label.stem): label for _, label in found.pairs}
    for label in found.labels:
        core = label.stem  # of 00000_hair, or else a folder of the image's own
        while core and _number(core) not in known:
            core = re.sub(r"(?:[\W_]|^)[^\W_]*$", "", core)
        folders = (part for part in label.folder.split("/") if _number(part) in known)
        core = core or next(folders, "")
        other = taken.setdefault(_number(core), label) if core else label
        if other != label:
            return InputError(
                f"{label}: may be the label of the same image as {other.name}: one label with all "
                "classes is expected: combine masks of single classes or objects into one file "
                "of class indices per image, 0 where no mask is, or choose the folder of one kind, "
                "as a path, with {option}",
                option="label_folder",
            )
    return None


def _number(stem: str) -> str:
    """`stem` without zeros before a number, which some names have and others lack."""
    return stem.lstrip("0") or "0" if stem.isdigit() else stem


def images_alone(images: Sequence[File], name: str) -> str:
    """The note on images that have no label."""
    where = f"{name}: " if name else ""
    return f"{where}{len(images)} images without label, such as {images[0].name}, left out"


def _unread_image(catalogue: Catalogue, labels: Sequence[File]) -> InputError | None:
    """The error for a label whose image is of a kind that is not read; None for any other."""
    stems = {os.path.splitext(file.name.rpartition("/")[2])[0]: file for file in catalogue.unread}
    found = next((stems[label.stem] for label in labels if label.stem in stems), None)
    return found and unread_kind(found)


def _no_images(catalogue: Catalogue, labels: Sequence[File]) -> InputError:
    label = labels[0]
    if len(catalogue.unread) >= len(labels):  # not a logo
        return InputError(
            f"{catalogue.source}: has labels, such as {label.name}, and {catalogue.unread[0].name} "
            "is not of a kind that is read: convert such images to PNG, or photographs to JPEG"
        )
    return InputError(
        f"{catalogue.source}: has labels, such as {label.name}, and no images: pass their folder "
        "or archive with {option}",
        option="images",
    )
