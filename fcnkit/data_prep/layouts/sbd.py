"""Image and label folders from SBD, the Semantic Boundaries Dataset, alone or with PASCAL VOC.

    [anything/]train.txt, val.txt      ids, one a line
    [anything/]img/<id>.jpg
    [anything/]cls/<id>.mat            GTcls.Segmentation, VOC's class indices

SBD annotates images of VOC, and divides them otherwise than VOC does: many of VOC's validation
images are in SBD's training set. So what is learned from one and measured on the other needs a
rule that keeps them apart; `SPLITS` lists the usual ones.
"""

import os
import shutil

from caffeformat import InputError
from fcnkit.datasets import sbd_label
from fcnkit.files import output_folder
from fcnkit.images import voc_class_names

from .extraction import extract, pair_actions, read_lists, write_class_names
from .voc import prepare_voc

# name -> what becomes train and val
SPLITS = {
    "sbd": "SBD's own train and val",
    "seg11valid": "SBD's train; VOC's val without what SBD's train has (736 images of VOC 2011)",
    "noval": "SBD's train without what VOC's val has; VOC's val",
}


def prepare_sbd(
    archive,
    out,
    voc=None,
    voc_name=None,
    split=None,
    force=False,
    log=lambda line: None,
    progress=lambda done, total: None,
):
    """Write `out/{train,val}/{images,labels}`; returns {split: number of pairs}.

    archive: SBD as tar.gz or folder; voc: PASCAL VOC as `prepare_voc` takes it, for all `SPLITS`
    but `sbd`, and `voc_name` which of several in it; split: default `seg11valid` with `voc`,
    otherwise `sbd`. Raises `InputError` as `prepare_voc` does.
    """
    split = split or ("seg11valid" if voc else "sbd")
    if split not in SPLITS:
        raise InputError(f"split {split!r}: expected {', '.join(SPLITS)}")
    if (split == "sbd") == (voc is not None):
        needs = "takes no archive of VOC" if voc else "needs VOC's images (--voc)"
        raise InputError(f"split {split}: {needs}")
    archive = os.fspath(archive)
    log(f"Expanding {archive}")
    root, ids = read_lists(archive, ["train", "val"])
    with output_folder(out, force) as folder:
        if voc is not None:
            _write_voc_val(voc, voc_name, folder)
            voc_ids = _stems(os.path.join(folder, "val", "images"))
            if split == "seg11valid":
                _remove(os.path.join(folder, "val"), voc_ids & set(ids["train"]))
                _write_list(folder, voc_ids - set(ids["train"]))
            else:
                ids["train"] = [id_ for id_ in ids["train"] if id_ not in voc_ids]
            del ids["val"]
        log(f"Copying data into {os.fspath(out)}")
        image, label = f"{root}img/<id>.jpg", f"{root}cls/<id>.mat"
        images, labels = pair_actions(archive, folder, ids, image, label, sbd_label)
        extract(archive, {**images, **labels}, progress)
        write_class_names(folder, voc_class_names())
        counts = {
            name: len(os.listdir(os.path.join(folder, name, "images"))) for name in ("train", "val")
        }
        empty = [name for name, count in counts.items() if not count]
        if empty:
            raise InputError(f"split {split} leaves nothing in {empty[0]}: is this the right VOC?")
    log("Done!")
    return counts


def _write_voc_val(voc, name, folder):
    """VOC's val as `folder/val`."""
    beside = os.path.join(folder, "voc")
    prepare_voc(voc, beside, sets=["val"], name=name)
    os.rename(os.path.join(beside, "val"), os.path.join(folder, "val"))
    shutil.rmtree(beside)


def _write_list(folder, ids):
    """Write seg11valid.txt, as Berkeley's networks look for it in VOC's ImageSets/Segmentation."""
    with open(os.path.join(folder, "seg11valid.txt"), "w", encoding="utf-8") as file:
        file.writelines(f"{id_}\n" for id_ in sorted(ids))


def _stems(folder):
    return {os.path.splitext(name)[0] for name in os.listdir(folder)}


def _remove(folder, ids):
    for kind in ("images", "labels"):
        for name in os.listdir(os.path.join(folder, kind)):
            if os.path.splitext(name)[0] in ids:
                os.unlink(os.path.join(folder, kind, name))
