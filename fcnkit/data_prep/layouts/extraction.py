"""What the layouts of datasets share: lists of ids in an archive, and the files that they name.

A layout reads its lists, says what is to become of which file (`wanted`) and lets `extract` walk
through the archive once. Archives are read as in `archives.py`; nothing is unpacked elsewhere.
"""

import functools
import os
import re

import numpy as np
from PIL import Image

from caffeformat import FormatError, InputError
from fcnkit.files import members
from fcnkit.images import open_image, voc_palette

from .voc import MAX_FILE, MAX_SET_FILE, image_ids


def read_lists(archive, names, folder="", optional=False):
    """(root, {name: ids}) of the files `<root><folder><name>.txt` in an archive or folder.

    names: of the lists; folder: "" or one that ends in `/`. Raises `InputError` where a list is
    missing (not if `optional`: then the dict lacks it) or where two roots have them.
    """
    options = "|".join(map(re.escape, names))
    pattern = re.compile(rf"((?:.*/)?){re.escape(folder)}({options})\.txt")
    root, lists = None, {}
    for member in members(archive):
        match = pattern.fullmatch(member.name)
        if not match:
            continue
        if root not in (None, match.group(1)):
            raise InputError(
                f"{archive}: {match.group(2)}.txt is in {root or 'its top folder'} and in "
                f"{match.group(1) or 'its top folder'}: give a folder or archive with one of them"
            )
        root, source = match.group(1), f"{archive}: {member.name}"
        text = read_member(member, MAX_SET_FILE).decode("utf-8", "replace")
        lists[match.group(2)] = image_ids(text, source)
        if len(lists) == len(set(names)):
            break
    missing = [name for name in names if name not in lists]
    if missing and not optional:
        raise InputError(
            f"{archive}: expected {folder}{missing[0]}.txt, found none: the archive is truncated "
            "or of another dataset"
        )
    return root, lists


def read_member(member, most=MAX_FILE):
    """The content of a `Member`; `FormatError` where it claims more than `most` bytes."""
    return b"".join(member_chunks(member, most))


def member_chunks(member, most):
    """The same in pieces of up to 1 MB."""
    if member.size > most:
        raise FormatError(
            member.archive, f"refused: {member.name} claims {member.size} bytes, more than {most}"
        )
    return member.read_chunks()


def extract(archive, wanted, progress=lambda done, total: None):
    """Hand each file that is `wanted` to its actions: {name: [function(bytes), ...]}.

    A name is the end of a path in the archive, from some folder on; where several end so, the
    first counts. Raises `InputError` where files are missing.
    """
    left = dict(wanted)
    for member in members(archive) if left else ():
        name = _end_of(member.name, left)
        if name:
            data = read_member(member)
            for action in left.pop(name):
                action(data)
            progress(len(wanted) - len(left), len(wanted))
            if not left:
                break
    if left:
        raise InputError(
            f"{archive}: lacks {len(left)} of the {len(wanted)} files that its lists name, such as "
            f"{next(iter(left))}: {_why_missing(archive, left)}"
        )


def _end_of(path, names):
    """`path`, from the first folder on from which it is in `names`; "" where it is not."""
    while path and path not in names:
        path = path.partition("/")[2]
    return path


def _why_missing(archive, left):
    lowered = {name.lower() for name in left}
    for member in members(archive):
        if _end_of(member.name.lower(), lowered):
            return f"it has {member.name}; upper and lower case have to be as in the lists"
    return (
        "the archive is truncated, incomplete or not the one that the lists are of: fetch it "
        "again, or give the one that has them"
    )


def pair_actions(archive, folder, splits, image, label, read):
    """What `extract` has to do for pairs of `<folder>/<split>`: (images, labels), to be `wanted`.

    splits: {split: ids}; image, label: paths in the archive of labels, with `<id>` for the id;
    read: of a label's bytes and, as `name`, what errors call it, to H x W uint8.
    """
    images, labels = {}, {}
    for split, ids in splits.items():
        pairs = Pairs(folder, split, voc_palette())
        for id_ in ids:
            file = label.replace("<id>", id_)
            reader = functools.partial(read, name=f"{archive}: {file}")
            labels.setdefault(file, []).append(pairs.label(id_, reader))
            file = image.replace("<id>", id_)
            suffix = os.path.splitext(file)[1]
            images.setdefault(file, []).append(pairs.image(id_, suffix, f"{archive}: {file}"))
    return images, labels


class Pairs:
    """Where the pairs of one split go: `<folder>/<split>/{images,labels}/<id>`."""

    def __init__(self, folder, split, palette):
        self.folder, self.palette = os.path.join(folder, split), palette
        for kind in ("images", "labels"):
            os.makedirs(os.path.join(self.folder, kind))

    def image(self, id_, suffix, name):
        """An action that keeps an image file, called `name` in errors, as it is.

        What is no image by its header, or claims an absurd size, is refused.
        """

        def write(data):
            open_image(data, name).close()
            with open(os.path.join(self.folder, "images", id_ + suffix), "xb") as file:
                file.write(data)

        return write

    def label(self, id_, read):
        """An action that writes what `read(bytes)` returns, H x W uint8, as a paletted PNG."""

        def write(data):
            self.write_label(id_, read(data))

        return write

    def write_label(self, id_, classes):
        """Write H x W uint8 class indices as a paletted PNG.

        The file needs no name of its own until it is complete: the folder around it has one.
        """
        image = Image.fromarray(np.ascontiguousarray(classes))
        image.putpalette(self.palette.tobytes())
        image.save(os.path.join(self.folder, "labels", f"{id_}.png"), bits=8)


def write_class_names(folder, names):
    """Write `classes.txt` for `create_lmdb --classes`."""
    with open(os.path.join(folder, "classes.txt"), "w", encoding="utf-8") as file:
        file.writelines(f"{name}\n" for name in names)
