"""Image and label folders from the SIFT Flow dataset as Tighe and Lazebnik published it.

    [anything/]Images/<scenes>/<id>.jpg
    [anything/]SemanticLabels/<scenes>/<id>.mat    S: 1 to 33, 0 = void
    [anything/]GeoLabels/<scenes>/<id>.mat         S: 1 to 3, less = void
    [anything/]TestSet1.txt                        the 200 test images

Labels begin at 0, void is 255. Berkeley's lists trainval.txt and test.txt are used where they are
in the archive or given; they are what the archive's own list and all other images come to, less
the two images that nobody annotated.
"""

import functools
import os
import posixpath
import re

from caffeformat import InputError
from fcnkit.datasets import siftflow_label
from fcnkit.files import members, output_folder

from .extraction import extract, pair_actions, read_lists, read_member, write_class_names
from .voc import MAX_SET_FILE, image_ids

_SCENES = "spatial_envelope_256x256_static_8outdoorcategories"
_TEST_SET = "TestSet1.txt"
_NOT_ANNOTATED = ("highway_bost181", "street_urb506")

_SEMANTIC = (
    "awning", "balcony", "bird", "boat", "bridge", "building", "bus", "car", "cow", "crosswalk",
    "desert", "door", "fence", "field", "grass", "moon", "mountain", "person", "plant", "pole",
    "river", "road", "rock", "sand", "sea", "sidewalk", "sign", "sky", "staircase", "streetlight",
    "sun", "tree", "window",
)  # fmt: skip

# Which labels -> their folder and classes.
LABELS = {
    "semantic": ("SemanticLabels", _SEMANTIC),
    "geometric": ("GeoLabels", ("sky", "horizontal", "vertical")),
}


def prepare_siftflow(
    archive,
    out,
    lists=None,
    labels="semantic",
    force=False,
    log=lambda line: None,
    progress=lambda done, total: None,
):
    """Write `out/{train,val}/{images,labels}`; returns {split: number of pairs}.

    archive: zip, tar or folder; lists: a folder with trainval.txt and test.txt; labels: one of
    `LABELS`. Raises `InputError` as `prepare_voc` does.
    """
    if labels not in LABELS:
        raise InputError(f"labels {labels!r}: expected {' or '.join(LABELS)}")
    archive = os.fspath(archive)
    kind, names = LABELS[labels]
    log(f"Expanding {archive}")
    splits = _splits(archive, lists)
    read = functools.partial(siftflow_label, classes=len(names))
    with output_folder(out, force) as folder:
        log(f"Copying data into {os.fspath(out)}")
        image, label = f"Images/{_SCENES}/<id>.jpg", f"{kind}/{_SCENES}/<id>.mat"
        images, labels = pair_actions(archive, folder, splits, image, label, read)
        extract(archive, {**images, **labels}, progress)
        write_class_names(folder, names)
    log("Done!")
    return {split: len(ids) for split, ids in splits.items()}


def _splits(archive, lists):
    """{"train": ids, "val": ids}."""
    names = ["trainval", "test"]
    _, found = read_lists(lists or archive, names, optional=lists is None)
    if len(found) == 2:
        return {"train": found["trainval"], "val": found["test"]}
    test, images = None, []
    for member in members(archive):
        if os.path.basename(member.name) == _TEST_SET:
            text = read_member(member, MAX_SET_FILE).decode("utf-8", "replace")
            test = set(image_ids(_ids_of_paths(text), f"{archive}: {member.name}"))
        match = re.fullmatch(rf"(?:.*/)?Images/{_SCENES}/([^/]+)\.jpg", member.name)
        if match:
            images.append(match.group(1))
    images = [id_ for id_ in sorted(images) if id_ not in _NOT_ANNOTATED]
    if test is None or not images:
        raise InputError(
            f"{archive}: expected Images/{_SCENES} and {_TEST_SET} or trainval.txt and test.txt, "
            "found neither: the archive is truncated, or give the lists with --lists"
        )
    splits = {
        "train": [id_ for id_ in images if id_ not in test],
        "val": [id_ for id_ in images if id_ in test],
    }
    empty = [split for split, ids in splits.items() if not ids]
    if empty:
        raise InputError(f"{archive}: {_TEST_SET} leaves no image for {empty[0]}")
    return splits


def _ids_of_paths(text):
    """Lines `folder\\name.jpg` as lines `name`."""
    lines = text.replace("\\", "/").splitlines()
    return "\n".join(posixpath.splitext(posixpath.basename(line.strip()))[0] for line in lines)
