"""Image and label folders from NYUDv2 in the form that Gupta et al. prepared.

    [anything/]<set>.txt                          ids, one a line
    [anything/]data/images/img_<id>.png           colour
    [anything/]data/hha/img_<id>.png              depth as height, disparity and angle
    [anything/]segmentation/img_<id>.mat          segmentation: 1 to 40, 0 = void

Labels become 0 to 39, void 255.
"""

import os

from caffeformat import InputError
from fcnkit.mat_labels import nyud_label
from fcnkit.palette import voc_palette

from .extraction import Pairs, extract, read_lists, write_class_names
from .folders import output_folder

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
    wanted, counts = {}, {}
    with output_folder(out, force) as folder:
        log(f"Copying data into {os.fspath(out)}")
        for split, name in zip(("train", "val"), sets):
            pairs = Pairs(folder, split, voc_palette())
            counts[split] = len(lists[name])
            for id_ in lists[name]:
                image = f"{root}data/{INPUTS[source]}/img_{id_}.png"
                label = f"{root}segmentation/img_{id_}.mat"
                read = _reader(f"{archive}: {label}")
                wanted.setdefault(image, []).append(pairs.image(id_, ".png"))
                wanted.setdefault(label, []).append(pairs.label(id_, read))
        extract(archive, wanted, progress)
        write_class_names(folder, CLASSES)
    log("Done!")
    return counts


def _reader(name):
    return lambda data: nyud_label(data, name)
