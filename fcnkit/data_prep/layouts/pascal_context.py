"""Image and label folders from PASCAL VOC 2010's images and PASCAL-Context's annotations.

    [anything/]ImageSets/Main/<set>.txt, JPEGImages/<id>.jpg              VOC 2010
    [anything/]trainval/<id>.mat, labels.txt, 59_labels.txt               PASCAL-Context

A label's class is 1 to 59 for the classes that Mottaghi et al. (CVPR 2014) chose; the other 400
and what nobody labelled are 0.
"""

import functools
import os

from caffeformat import InputError, read_bytes
from fcnkit.datasets import context_label, context_table
from fcnkit.files import members, output_folder

from .extraction import extract, pair_actions, read_lists, read_member, write_class_names
from .voc import MAX_SET_FILE

_CLASS_FILES = ("labels.txt", "59_labels.txt")


def prepare_pascal_context(
    voc,
    annotations,
    out,
    labels=None,
    chosen=None,
    sets=("train", "val"),
    force=False,
    log=lambda line: None,
    progress=lambda done, total: None,
):
    """Write `out/{train,val}/{images,labels}`; returns {split: number of pairs}.

    voc, annotations: archives or folders; labels, chosen: the files labels.txt and 59_labels.txt
    where `annotations` does not have them; sets: of ImageSets/Main, for train and val. Raises
    `InputError` as `prepare_voc` does.
    """
    voc, annotations = os.fspath(voc), os.fspath(annotations)
    log(f"Expanding {annotations}")
    table, names = context_table(*_class_files(annotations, labels, chosen))
    log(f"Expanding {voc}")
    root, lists = read_lists(voc, list(sets), "ImageSets/Main/")
    splits = {"train": lists[sets[0]], "val": lists[sets[1]]}
    read = functools.partial(context_label, table=table)
    with output_folder(out, force) as folder:
        log(f"Copying data into {os.fspath(out)}")
        image, label = f"{root}JPEGImages/<id>.jpg", "trainval/<id>.mat"
        images, mats = pair_actions(annotations, folder, splits, image, label, read)
        total = len(mats) + len(images)
        extract(annotations, mats, lambda done, _: progress(done, total))
        extract(voc, images, lambda done, _: progress(len(mats) + done, total))
        write_class_names(folder, names)
    log("Done!")
    return {split: len(ids) for split, ids in splits.items()}


def _class_files(annotations, labels, chosen):
    """The content of labels.txt and 59_labels.txt."""
    found = {name: read_bytes(path) for name, path in zip(_CLASS_FILES, (labels, chosen)) if path}
    if len(found) < 2:
        for member in members(annotations):
            name = os.path.basename(member.name)
            if name in _CLASS_FILES and name not in found:
                found[name] = read_member(member, MAX_SET_FILE)
                if len(found) == 2:
                    break
    for name, option in zip(_CLASS_FILES, ("--labels", "--chosen")):
        if name not in found:
            raise InputError(
                f"{annotations}: has no {name}, which is on the dataset's site too: give the file "
                f"with {option} (VOC's archive comes first, then the annotations')"
            )
    return [found[name] for name in _CLASS_FILES]
