"""Makes image and label folders from the SIFT Flow dataset as Tighe and Lazebnik published it.

    [anything/]Images/<scenes>/<id>.jpg
    [anything/]SemanticLabels/<scenes>/<id>.mat    S: 1 to 33, 0 = void
    [anything/]GeoLabels/<scenes>/<id>.mat         S: 1 to 3, less = void
    [anything/]TestSet1.txt                        the 200 test images

Labels start at 0, void is 255. Berkeley's lists trainval.txt and test.txt are used if they are
given or in the archive. Otherwise val consists of the images in the archive's own list and train of
all others, except two images without annotation; that gives the same sets.
"""

from __future__ import annotations

import functools
import os
import posixpath
import re

from caffeformat import InputError
from fcnkit.datasets import siftflow_label
from fcnkit.files import members, output_folder
from fcnkit.progress import Progress

from .extraction import (
    MAX_SET_FILE,
    PairPaths,
    read_lists,
    read_member,
    write_class_names,
    write_pairs,
)
from .image_sets import decode_list, image_ids

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
    archive: str | os.PathLike[str],
    out: str | os.PathLike[str],
    lists: str | os.PathLike[str] | None = None,
    labels: str = "semantic",
    force: bool = False,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Write `out/{train,val}/{images,labels}`; returns {split: number of pairs}.

    archive     zip, tar or folder
    lists       a folder with trainval.txt and test.txt (default: the archive's own lists)
    labels      one of `LABELS`
    force       whether entries of the same names in `out` are replaced

    Raises `InputError` as `prepare_voc` does.
    """
    if labels not in LABELS:
        raise InputError(f"labels {labels!r}: expected {' or '.join(LABELS)}")
    archive, progress = os.fspath(archive), progress or Progress()
    kind, names = LABELS[labels]
    progress.note(f"Expanding {archive}")
    splits = _splits(archive, lists)
    read = functools.partial(siftflow_label, classes=len(names))
    with output_folder(out, force, [archive, lists]) as folder:
        progress.note(f"Copying data into {os.fspath(out)}")
        image, label = f"Images/{_SCENES}/<id>.jpg", f"{kind}/{_SCENES}/<id>.mat"
        write_pairs(PairPaths(archive, image, label, read), folder, splits, progress)
        write_class_names(folder, names)
    progress.done("Done!")
    return {split: len(ids) for split, ids in splits.items()}


def _splits(archive: str, lists: str | os.PathLike[str] | None) -> dict[str, list[str]]:
    """{"train": ids, "val": ids}."""
    names = ["trainval", "test"]
    is_apart = lists is not None
    _, found = read_lists(lists or archive, names, optional=not is_apart, apart=is_apart)
    if len(found) == 2:
        return {"train": found["trainval"], "val": found["test"]}
    test: set[str] | None = None
    images = []
    for member in members(archive):
        if os.path.basename(member.name) == _TEST_SET:
            text = decode_list(read_member(member, MAX_SET_FILE))
            test = set(image_ids(_ids_of_paths(text), f"{archive}: {member.name}"))
        match = re.fullmatch(rf"(?:.*/)?Images/{_SCENES}/([^/]+)\.jpg", member.name)
        if match:
            images.append(match.group(1))
    images = [id_ for id_ in sorted(images) if id_ not in _NOT_ANNOTATED]
    if test is None or not images:
        raise InputError(
            f"{archive}: expected Images/{_SCENES} and {_TEST_SET} or trainval.txt and test.txt, "
            "found neither: fetch the archive again if it is truncated, or pass the lists with "
            "{option}",
            option="lists",
        )
    splits = {
        "train": [id_ for id_ in images if id_ not in test],
        "val": [id_ for id_ in images if id_ in test],
    }
    empty = [split for split, ids in splits.items() if not ids]
    if empty:
        raise InputError(f"{archive}: {_TEST_SET} leaves no image for {empty[0]}")
    return splits


def _ids_of_paths(text: str) -> str:
    """Turn lines `folder\\name.jpg` into lines `name`."""
    lines = text.replace("\\", "/").splitlines()
    return "\n".join(posixpath.splitext(posixpath.basename(line.strip()))[0] for line in lines)
