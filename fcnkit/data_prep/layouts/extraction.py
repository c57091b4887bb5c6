"""Extracts the images and labels that lists in an archive name: shared by the datasets' layouts.

A layout reads its lists, specifies what to do with which file (`wanted`) and lets `extract` walk
through the archive once. Nothing else is unpacked.
"""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffeformat import FormatError, InputError
from fcnkit.files import members
from fcnkit.images import class_names_text, open_image, paletted_image, voc_palette

from .image_sets import decode_list, image_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
    from typing import Protocol

    import numpy as np
    from numpy.typing import NDArray

    from fcnkit.files import Member
    from fcnkit.progress import Progress

    Action = Callable[[bytes], object]
    Wanted = dict[str, list[Action]]

    class ReadLabel(Protocol):
        """Turns a label's bytes into H x W class indices; `name` is what errors call it."""

        def __call__(self, source: bytes, *, name: str) -> NDArray[np.uint8]: ...


# Bytes; far more than photographs and labels have. Larger files are refused before they fill the
# disk.
MAX_FILE = 256 << 20
MAX_SET_FILE = 16 << 20


def read_lists(
    archive: str | os.PathLike[str],
    names: Sequence[str],
    folder: str = "",
    optional: bool = False,
    apart: bool = False,
) -> tuple[str, dict[str, list[str]]]:
    """(root, {name: ids}) of the files `<root><folder><name>.txt` in an archive or folder.

    `folder` is "" or ends in `/`. The archive is read no further than needed, unless it is `apart`
    from the files that the lists name. Raises `InputError` if a list is missing (unless `optional`:
    then the dict lacks it) or if two roots have lists.
    """
    options = "|".join(map(re.escape, names))
    pattern = re.compile(rf"((?:.*/)?){re.escape(folder)}({options})\.txt")
    root: str | None = None
    lists: dict[str, list[str]] = {}
    for member in members(archive):
        match = pattern.fullmatch(member.name)
        if not match:
            continue
        if root not in (None, match.group(1)):
            raise InputError(
                f"{archive}: {match.group(2)}.txt is in {root or 'its top folder'} and in "
                f"{match.group(1) or 'its top folder'}: pass a folder or archive with one of them"
            )
        root, source = match.group(1), f"{archive}: {member.name}"
        text = decode_list(read_member(member, MAX_SET_FILE))
        lists[match.group(2)] = image_ids(text, source)
        if len(lists) == len(set(names)) and not apart:
            break
    missing = [name for name in names if name not in lists]
    if missing and not optional:
        raise InputError(
            f"{archive}: expected {folder}{missing[0]}.txt, found none: the archive is truncated "
            "or of another dataset"
        )
    return root or "", lists


def read_member(member: Member, most: int = MAX_FILE) -> bytes:
    """Read the content of a `Member`; `FormatError` if it claims more than `most` bytes."""
    return b"".join(member_chunks(member, most))


def member_chunks(member: Member, most: int) -> Iterator[bytes]:
    """As `read_member`, in pieces of up to 1 MB."""
    if member.size > most:
        raise FormatError(
            member.archive, f"refused: {member.name} claims {member.size} bytes, more than {most}"
        )
    return member.read_chunks()


def extract(
    archive: str | os.PathLike[str],
    wanted: Mapping[str, Iterable[Action]],
    progress: Progress,
    what: str = "",
) -> None:
    """Hand each `wanted` file to its actions: {name: [function(bytes), ...]}.

    A name is the end of a path in the archive, starting at some folder; if several paths end so,
    the first counts. `progress` counts the files as `what`. The archive is read to its end, where
    `tar -r` puts other versions of its files. Raises `InputError` if files are missing.
    """
    left = dict(wanted)
    for member in members(archive) if left else ():
        name = _end_of(member.name, left)
        if name:
            data = read_member(member)
            for action in left.pop(name):
                action(data)
            progress.step(len(wanted) - len(left), len(wanted), what)
    if left:
        raise InputError(
            f"{archive}: lacks {len(left)} of the {len(wanted)} files that its lists name, such as "
            f"{next(iter(left))}: {_why_missing(archive, left)}"
        )


def _end_of(path: str, names: Container[str]) -> str:
    """The longest end of `path`, starting at some folder, that is in `names`; "" if none is."""
    while path and path not in names:
        path = path.partition("/")[2]
    return path


def _why_missing(archive: str | os.PathLike[str], left: Iterable[str]) -> str:
    lowered = {name.lower() for name in left}
    for member in members(archive):
        if _end_of(member.name.lower(), lowered):
            return f"it has {member.name}; upper and lower case have to be as in the lists"
    return (
        "the archive is truncated, incomplete or not the one that the lists belong to: fetch it "
        "again, or pass the one that has the files"
    )


@dataclass(frozen=True)
class PairPaths:
    """Where an archive has its images and labels."""

    archive: str  # of the labels, as errors call it
    image: str  # path in the archive, with `<id>` for the id
    label: str  # likewise
    read: ReadLabel  # of the labels


def pair_actions(
    paths: PairPaths, folder: str, splits: Mapping[str, Iterable[str]]
) -> tuple[Wanted, Wanted]:
    """(images, labels), `wanted` by `extract`, that write the pairs of `<folder>/<split>`.

    `splits` is {split: ids}.
    """
    images: Wanted = {}
    labels: Wanted = {}
    for split, ids in splits.items():
        pairs = Pairs(folder, split, voc_palette())
        for id_ in ids:
            file = paths.label.replace("<id>", id_)
            reader = functools.partial(paths.read, name=f"{paths.archive}: {file}")
            labels.setdefault(file, []).append(pairs.label(id_, reader))
            file = paths.image.replace("<id>", id_)
            suffix, name = os.path.splitext(file)[1], f"{paths.archive}: {file}"
            images.setdefault(file, []).append(pairs.image(id_, suffix, name))
    return images, labels


def write_pairs(
    paths: PairPaths, folder: str, splits: Mapping[str, Iterable[str]], progress: Progress
) -> None:
    """Write the pairs of `<folder>/<split>` from one archive; `splits` is {split: ids}."""
    images, labels = pair_actions(paths, folder, splits)
    extract(paths.archive, {**images, **labels}, progress)


class Pairs:
    """Writes the pairs of one split: `<folder>/<split>/{images,labels}/<id>`."""

    def __init__(self, folder: str, split: str, palette: NDArray[np.uint8]) -> None:
        self.folder, self.palette = os.path.join(folder, split), palette
        for kind in ("images", "labels"):
            os.makedirs(os.path.join(self.folder, kind))

    def image(self, id_: str, suffix: str, name: str) -> Action:
        """An action that writes an image file, called `name` in errors, unchanged.

        A file whose header is not an image's, or claims an absurd size, is refused.
        """

        def write(data: bytes) -> None:
            open_image(data, name).close()
            with open(os.path.join(self.folder, "images", id_ + suffix), "xb") as file:
                file.write(data)

        return write

    def label(self, id_: str, read: Callable[[bytes], NDArray[np.uint8]]) -> Action:
        """An action that writes what `read(bytes)` returns, H x W uint8, as a paletted PNG."""

        def write(data: bytes) -> None:
            self.write_label(id_, read(data))

        return write

    def write_label(self, id_: str, classes: NDArray[np.uint8]) -> None:
        """Write H x W uint8 class indices as a paletted PNG.

        It need not be written atomically: the folder is not published until it is complete.
        """
        path = os.path.join(self.folder, "labels", f"{id_}.png")
        paletted_image(classes, self.palette).save(path, bits=8)


def write_class_names(folder: str, names: Sequence[str]) -> None:
    """Write `classes.txt`, which `create_lmdb` reads; `InputError` for names that it would not."""
    with open(os.path.join(folder, "classes.txt"), "w", encoding="utf-8") as file:
        file.write(class_names_text(names))


def write_lines(path: str, lines: Iterable[str]) -> None:
    """Write a text file with one of `lines` per line."""
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
