"""Makes image and label folders from SBD, the Semantic Boundaries Dataset, alone or with VOC.

    [anything/]train.txt, val.txt      ids, one per line
    [anything/]img/<id>.jpg
    [anything/]cls/<id>.mat            GTcls.Segmentation, VOC's class indices

SBD annotates images of PASCAL VOC but splits them differently: many of VOC's validation images are
in SBD's training set. Training on one and measuring on the other needs a rule that keeps them
apart; `SPLITS` lists the usual ones.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from caffeformat import InputError
from fcnkit.datasets import sbd_label
from fcnkit.files import output_folder
from fcnkit.images import voc_class_names
from fcnkit.progress import Progress

from .extraction import PairPaths, read_lists, write_class_names, write_lines, write_pairs
from .voc import prepare_voc

if TYPE_CHECKING:
    from collections.abc import Collection

# name -> what becomes train and val
SPLITS = {
    "sbd": "SBD's own train and val",
    "seg11valid": "SBD's train; VOC's val minus SBD's train (736 images of VOC 2011)",
    "noval": "SBD's train minus VOC's val; VOC's val",
}


def prepare_sbd(
    archive: str | os.PathLike[str],
    out: str | os.PathLike[str],
    voc: str | os.PathLike[str] | None = None,
    voc_name: str | None = None,
    split: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Write `out/{train,val}/{images,labels}`; returns {split: number of pairs}.

    archive     SBD, tar.gz or folder
    voc         PASCAL VOC as in `prepare_voc`, for all `SPLITS` except `sbd`
    voc_name    which VOCdevkit/NAME of `voc`, if it holds several
    split       one of `SPLITS` (default: `seg11valid` with `voc`, otherwise `sbd`)
    force       whether entries of the same names in `out` are replaced

    Raises `InputError` as `prepare_voc` does.
    """
    split = split or ("seg11valid" if voc else "sbd")
    if split not in SPLITS:
        raise InputError(f"split {split!r}: expected {', '.join(SPLITS)}")
    if (split == "sbd") == (voc is not None):
        advice = "does not use VOC's images: omit" if voc else "needs VOC's images: pass"
        raise InputError(f"split {split}: {advice} {{option}}", "voc")
    archive, progress = os.fspath(archive), progress or Progress()
    progress.note(f"Expanding {archive}")
    root, ids = read_lists(archive, ["train", "val"])
    with output_folder(out, force, [archive, voc]) as folder:
        if voc is not None:
            _write_voc_val(voc, voc_name, folder)
            voc_ids = _stems(os.path.join(folder, "val", "images"))
            if split == "seg11valid":
                _remove(os.path.join(folder, "val"), voc_ids & set(ids["train"]))
                # Berkeley's networks look for this list in VOC's ImageSets/Segmentation.
                val_ids = sorted(voc_ids - set(ids["train"]))
                write_lines(os.path.join(folder, "seg11valid.txt"), val_ids)
            else:
                ids["train"] = [id_ for id_ in ids["train"] if id_ not in voc_ids]
            del ids["val"]
        progress.note(f"Copying data into {os.fspath(out)}")
        image, label = f"{root}img/<id>.jpg", f"{root}cls/<id>.mat"
        write_pairs(PairPaths(archive, image, label, sbd_label), folder, ids, progress)
        write_class_names(folder, voc_class_names())
        counts = {
            name: len(os.listdir(os.path.join(folder, name, "images"))) for name in ("train", "val")
        }
        empty = [name for name, count in counts.items() if not count]
        if empty:
            raise InputError(f"split {split} leaves nothing in {empty[0]}: is this the right VOC?")
    progress.done("Done!")
    return counts


def _write_voc_val(voc: str | os.PathLike[str], name: str | None, folder: str) -> None:
    """Write VOC's val to `folder/val`."""
    beside = os.path.join(folder, "voc")
    prepare_voc(voc, beside, sets=["val"], name=name)
    os.rename(os.path.join(beside, "val"), os.path.join(folder, "val"))
    shutil.rmtree(beside)


def _stems(folder: str) -> set[str]:
    return {os.path.splitext(name)[0] for name in os.listdir(folder)}


def _remove(folder: str, ids: Collection[str]) -> None:
    """Remove the images and labels of `ids`."""
    for kind in ("images", "labels"):
        for name in os.listdir(os.path.join(folder, kind)):
            if os.path.splitext(name)[0] in ids:
                os.unlink(os.path.join(folder, kind, name))
