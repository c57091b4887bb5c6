"""Makes image and label folders from PASCAL VOC 2010's images and PASCAL-Context's annotations.

    [anything/]ImageSets/Main/<set>.txt, JPEGImages/<id>.jpg              VOC 2010
    [anything/]trainval/<id>.mat, labels.txt, 59_labels.txt               PASCAL-Context

A label's class is 1 to 59 for the classes that Mottaghi et al. (CVPR 2014) chose; the other 400 and
unlabelled pixels are 0.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

from caffeformat import InputError, read_bytes
from fcnkit.datasets import context_label, context_table
from fcnkit.files import members, output_folder
from fcnkit.progress import Progress

from .extraction import (
    MAX_SET_FILE,
    PairPaths,
    extract,
    pair_actions,
    read_lists,
    read_member,
    write_class_names,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CLASS_FILES = ("labels.txt", "59_labels.txt")


def prepare_pascal_context(
    voc: str | os.PathLike[str],
    annotations: str | os.PathLike[str],
    out: str | os.PathLike[str],
    labels: str | os.PathLike[str] | None = None,
    chosen: str | os.PathLike[str] | None = None,
    sets: Sequence[str] = ("train", "val"),
    force: bool = False,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Write `out/{train,val}/{images,labels}`; returns {split: number of pairs}.

    voc             VOC 2010, an archive or folder
    annotations     PASCAL-Context's, an archive or folder
    labels, chosen  labels.txt and 59_labels.txt, needed if `annotations` lacks them
    sets            lists of ImageSets/Main for train and val
    force           whether entries of the same names in `out` are replaced

    Raises `InputError` as `prepare_voc` does.
    """
    voc, annotations = os.fspath(voc), os.fspath(annotations)
    progress = progress or Progress()
    progress.note(f"Expanding {annotations}")
    class_files = _class_files(annotations, {"labels": labels, "chosen": chosen})
    table, names = context_table(*class_files)
    progress.note(f"Expanding {voc}")
    root, lists = read_lists(voc, list(sets), "ImageSets/Main/")
    splits = {"train": lists[sets[0]], "val": lists[sets[1]]}
    read = functools.partial(context_label, table=table)
    with output_folder(out, force, [voc, annotations, labels, chosen]) as folder:
        progress.note(f"Copying data into {os.fspath(out)}")
        image, label = f"{root}JPEGImages/<id>.jpg", "trainval/<id>.mat"
        images, mats = pair_actions(PairPaths(annotations, image, label, read), folder, splits)
        extract(annotations, mats, progress, "labels")
        extract(voc, images, progress, "images")
        write_class_names(folder, names)
    progress.done("Done!")
    return {split: len(ids) for split, ids in splits.items()}


def _class_files(
    annotations: str, given: Mapping[str, str | os.PathLike[str] | None]
) -> list[bytes]:
    """The content of labels.txt and 59_labels.txt; `given` are the paths passed as options."""
    found = {name: read_bytes(path) for name, path in zip(_CLASS_FILES, given.values()) if path}
    if len(found) < 2:
        for member in members(annotations):
            name = os.path.basename(member.name)
            if name in _CLASS_FILES and name not in found:
                found[name] = read_member(member, MAX_SET_FILE)
                if len(found) == 2:
                    break
    for name, option in zip(_CLASS_FILES, given):
        if name not in found:
            raise InputError(
                f"{annotations}: has no {name}: pass the file from the dataset's site with "
                "{option} (VOC's archive comes first, then that of the annotations)",
                option,
            )
    return [found[name] for name in _CLASS_FILES]
