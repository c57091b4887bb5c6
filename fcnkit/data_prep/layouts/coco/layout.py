"""Makes image and label folders from COCO, with the 20 classes of PASCAL VOC.

    [anything/]instances_<set>.json      images, categories, and masks as polygons or run lengths
    [anything/]<file name>.jpg           in the archives of images

Networks for VOC are usually pre-trained on this. Labels have VOC's class indices; crowds count as
their class; pixels that two classes claim are 255, since it is unknown which is in front.
"""

from __future__ import annotations

import functools
import os
import re
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import FormatError, InputError
from fcnkit.files import members, output_folder
from fcnkit.images import IGNORE_LABEL, open_image, shown_size, voc_class_names, voc_palette
from fcnkit.progress import Progress

from ..exports.objects import check_size
from ..extraction import Pairs, extract, member_chunks, write_class_names
from .annotations import read_annotations, segmentation_of
from .masks import mask_of, most_pixels

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ..extraction import Action, Wanted
    from .annotations import AnnotatedImage

# Bytes; the annotations of the 118,000 training images of 2017 have 470 MB.
_MOST_ANNOTATIONS = 1 << 30


def prepare_coco(
    annotations: str | os.PathLike[str],
    images: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    sets: Sequence[str] = ("train2017", "val2017"),
    least: int = 1000,
    force: bool = False,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Write `out/{train,val}/{images,labels}`; returns {split: number of pairs}.

    annotations     archive or folder with instances_<set>.json
    images          archives or folders that together contain all sets' images
    sets            for train and val
    least           images with fewer labelled pixels are left out, as usual in pre-training
    force           whether entries of the same names in `out` are replaced

    Raises `InputError` as `prepare_voc` does.
    """
    annotations, progress = os.fspath(annotations), progress or Progress()
    progress.note(f"Expanding {annotations}")
    described = _read_sets(annotations, sets)
    writers: dict[str, _Labels] = {}
    wanted: Wanted = {}
    with output_folder(out, force, [annotations, *images]) as folder:
        for split, name in zip(("train", "val"), sets):
            progress.note(f"Processing {split} data")
            pairs = Pairs(folder, split, voc_palette())
            writer = writers[split] = _Labels(f"{annotations}: instances_{name}.json", pairs, least)
            for file, action in writer.actions(described.pop(name)):
                wanted.setdefault(file, []).append(action)
        progress.note(f"Copying data into {os.fspath(out)}")
        _extract_from_all(images, wanted, progress)
        for writer in writers.values():
            writer.check()
        write_class_names(folder, voc_class_names())
    progress.done("Done!")
    return {split: writer.count for split, writer in writers.items()}


def _read_sets(annotations: str, sets: Sequence[str]) -> dict[str, list[AnnotatedImage]]:
    """{set: the `AnnotatedImage`s of its file}."""
    wanted = {f"instances_{name}.json": name for name in sets}
    found: dict[str, list[AnnotatedImage]] = {}
    for member in members(annotations):
        file = member.name.rpartition("/")[2]
        if file in wanted:
            chunks = member_chunks(member, _MOST_ANNOTATIONS)
            found[wanted.pop(file)] = read_annotations(chunks, f"{annotations}: {file}")
    if wanted:
        raise InputError(
            f"{annotations}: expected {', '.join(wanted)}, found none: pass COCO's "
            "annotations_trainval archive, or other sets with {option}",
            option="sets",
        )
    return found


class _Labels:
    """Draws the labels of one set, each when its image is there and has the size that is stated.

    `count` is the number of pairs that were written.
    """

    def __init__(self, source: str, pairs: Pairs, least: int) -> None:
        self.count, self._source, self._pairs, self._least = 0, source, pairs, least
        self._chosen: dict[str, str] = {}  # name without suffix -> file

    def actions(self, images: Sequence[AnnotatedImage]) -> Iterator[tuple[str, Action]]:
        """Yield (file, what to do with its content) for the images that may have enough labels."""
        for image in images:
            name = f"{self._source}: {image.file}"
            room = 0
            for _, text in image.objects:
                # This also refuses absurd sizes.
                room += most_pixels(segmentation_of(text), image.height, image.width, name)
            if room < self._least:
                continue
            file = _safe_file(image.file, self._source)
            stem = os.path.splitext(file)[0]
            if stem in self._chosen:
                raise FormatError(
                    self._source,
                    f"two of its images have the names {self._chosen[stem]} and {file}, and would "
                    "share one label: give every image a name of its own",
                )
            self._chosen[stem] = file
            yield file, functools.partial(self._write, image, file)

    def _write(self, image: AnnotatedImage, file: str, data: bytes) -> None:
        name = f"{self._source}: {image.file}"
        with open_image(data, file) as picture:
            stored, shown = picture.size, shown_size(picture)
        if (image.width, image.height) != stored:
            check_size((image.height, image.width), shown[::-1], name)
        label = _label(image, self._source)
        if np.count_nonzero(label) >= self._least:
            stem, suffix = os.path.splitext(file)
            self._pairs.image(stem, suffix, file)(data)
            self._pairs.write_label(stem, label)
            self.count += 1

    def check(self) -> None:
        """Raise `InputError` where nothing was written."""
        if not self.count:
            raise InputError(f"{self._source}: no image has {self._least} pixels of VOC's classes")


def _label(image: AnnotatedImage, source: str) -> NDArray[np.uint8]:
    """The label of one image, H x W."""
    name = f"{source}: {image.file}"
    label: NDArray[np.uint8] | None = None
    for index, text in image.objects:
        mask = mask_of(segmentation_of(text), image.height, image.width, name)
        label = np.zeros(mask.shape, np.uint8) if label is None else label
        claimed = mask & (label != 0) & (label != index)
        label[mask] = index
        label[claimed] = IGNORE_LABEL
    assert label is not None, "annotated images have objects"
    return label


def _safe_file(name: str, source: str) -> str:
    """The last part of an image's name; `FormatError` if it is not a plain file name."""
    file = name.rpartition("/")[2]
    if not re.fullmatch(r"[\w+=@-][\w.+=@-]*\.(jpg|jpeg|png)", file, re.IGNORECASE):
        raise FormatError(source, f"refused: {name!r} is not the name of an image")
    return file


def _extract_from_all(
    archives: Sequence[str | os.PathLike[str]], wanted: Wanted, progress: Progress
) -> None:
    """Extract from archives that each have some of the images; the last must have the rest."""
    for archive in archives[:-1]:
        names = {member.name.rpartition("/")[2] for member in members(archive)}
        here = {name: wanted.pop(name) for name in list(wanted) if name in names}
        extract(archive, here, progress, f"images of {os.path.basename(os.fspath(archive))}")
    last = archives[-1]
    extract(last, wanted, progress, f"images of {os.path.basename(os.fspath(last))}")
