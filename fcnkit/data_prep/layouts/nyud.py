"""Image and label folders from NYUDv2 in the form that Gupta et al. prepared.

    [anything/]<set>.txt                          ids, one a line
    [anything/]data/images/img_<id>.png           colour
    [anything/]data/hha/img_<id>.png              depth as height, disparity and angle
    [anything/]segmentation/img_<id>.mat          segmentation: 1 to 40, 0 = void

Labels become 0 to 39, void 255.
"""

import os

from caffeformat import InputError
from fcnkit.datasets import nyud_label
from fcnkit.files import output_folder

from .extraction import extract, pair_actions, read_lists, write_class_names

# What to look at -> its folder.
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
    archive,
    out,
    sets=("trainval", "test"),
    source="color",
    force=False,
    log=lambda line: None,
    progress=lambda done, total: None,
):
    """Write `out/{train,val}/{images,labels}`; returns {split: number of pairs}.

    archive: tar, zip or folder; sets: the lists for train and val; source: one of `INPUTS`. Raises
    `InputError` as `prepare_voc` does.
    """
    if source not in INPUTS:
        raise InputError(f"input {source!r}: expected {' or '.join(INPUTS)}")
    archive = os.fspath(archive)
    log(f"Expanding {archive}")
    root, lists = read_lists(archive, list(sets))
    splits = {"train": lists[sets[0]], "val": lists[sets[1]]}
    with output_folder(out, force) as folder:
        log(f"Copying data into {os.fspath(out)}")
        image = f"{root}data/{INPUTS[source]}/img_<id>.png"
        label = f"{root}segmentation/img_<id>.mat"
        images, labels = pair_actions(archive, folder, splits, image, label, nyud_label)
        extract(archive, {**images, **labels}, progress)
        write_class_names(folder, CLASSES)
    log("Done!")
    return {split: len(ids) for split, ids in splits.items()}
