"""Makes image and label folders from NYUDv2 as Gupta et al. prepared it.

    [anything/]<set>.txt                          ids, one per line
    [anything/]data/images/img_<id>.png           colour
    [anything/]data/hha/img_<id>.png              depth as height, disparity and angle
    [anything/]segmentation/img_<id>.mat          segmentation: 1 to 40, 0 = void

Labels become 0 to 39, void 255.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from caffeformat import InputError
from fcnkit.datasets import nyud_label
from fcnkit.files import output_folder
from fcnkit.progress import Progress

from .extraction import PairPaths, read_lists, write_class_names, write_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

# What the images show -> their folder.
INPUTS = {"color": "images", "hha": "hha"}

# The 40 classes of Gupta, Arbelaez, Malik: Perceptual Organization and Recognition of Indoor
# Scenes from RGB-D Images (CVPR 2013), in their order.
CLASSES = (
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf",
    "picture", "counter", "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror",
    "floor mat", "clothes", "ceiling", "books", "refrigerator", "television", "paper", "towel",
    "shower curtain", "box", "whiteboard", "person", "night stand", "toilet", "sink", "lamp",
    "bathtub", "bag", "other structure", "other furniture", "other prop",
)  # fmt: skip


def prepare_nyud(
    archive: str | os.PathLike[str],
    out: str | os.PathLike[str],
    sets: Sequence[str] = ("trainval", "test"),
    source: str = "color",
    force: bool = False,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Write `out/{train,val}/{images,labels}`; returns {split: number of pairs}.

    archive     tar, zip or folder
    sets        the lists for train and val
    source      what the images show, one of `INPUTS`
    force       whether entries of the same names in `out` are replaced

    Raises `InputError` as `prepare_voc` does.
    """
    if source not in INPUTS:
        raise InputError(f"input {source!r}: expected {' or '.join(INPUTS)}")
    archive, progress = os.fspath(archive), progress or Progress()
    progress.note(f"Expanding {archive}")
    root, lists = read_lists(archive, list(sets))
    splits = {"train": lists[sets[0]], "val": lists[sets[1]]}
    with output_folder(out, force, [archive]) as folder:
        progress.note(f"Copying data into {os.fspath(out)}")
        image = f"{root}data/{INPUTS[source]}/img_<id>.png"
        label = f"{root}segmentation/img_<id>.mat"
        write_pairs(PairPaths(archive, image, label, nyud_label), folder, splits, progress)
        write_class_names(folder, CLASSES)
    progress.done("Done!")
    return {split: len(ids) for split, ids in splits.items()}
