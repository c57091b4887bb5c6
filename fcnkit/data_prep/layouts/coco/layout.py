"""Image and label folders from COCO, with the 20 classes that PASCAL VOC has.

    [anything/]instances_<set>.json      images, categories, and masks as polygons or run lengths
    [anything/]<file name>.jpg           in the archives of images

This is what networks for VOC are trained on first. Labels have VOC's class indices; crowds count
as their class; pixels that two classes claim are 255, since nothing says which is in front.
"""

import os
import re

import numpy as np

from caffeformat import FormatError, InputError
from fcnkit.files import members, output_folder
from fcnkit.images import IGNORE_LABEL, voc_class_names, voc_palette

from ..extraction import Pairs, extract, member_chunks, write_class_names
from .annotations import read_annotations, segmentation_of
from .masks import mask_of

# The annotations of the 118,000 training images of 2017 have 470 MB.
_MOST_ANNOTATIONS = 1 << 30


def prepare_coco(
    annotations,
    images,
    out,
    sets=("train2017", "val2017"),
    least=1000,
    force=False,
    log=lambda line: None,
    progress=lambda done, total: None,
):
    """Write `out/{train,val}/{images,labels}`; returns {split: number of pairs}.

    annotations: archive or folder with instances_<set>.json; images: archives or folders, in which
    all sets' images are; sets: for train and val; least: images with fewer labelled pixels are left
    out, as usual in pre-training. Raises `InputError` as `prepare_voc` does.
    """
    annotations = os.fspath(annotations)
    log(f"Expanding {annotations}")
    described = _read_sets(annotations, sets)
    counts, wanted = {}, {}
    with output_folder(out, force) as folder:
        for split, name in zip(("train", "val"), sets):
            log(f"Processing {split} data")
            pairs = Pairs(folder, split, voc_palette())
            source = f"{annotations}: instances_{name}.json"
            chosen = _write_labels(described.pop(name), pairs, least, source, progress)
            if not chosen:
                raise InputError(f"{source}: no image has {least} pixels of VOC's classes")
            counts[split] = len(chosen)
            for file in chosen:
                stem, suffix = os.path.splitext(file)
                wanted.setdefault(file, []).append(pairs.image(stem, suffix, file))
        log(f"Copying data into {os.fspath(out)}")
        _extract_from_all(images, wanted, progress)
        write_class_names(folder, voc_class_names())
    log("Done!")
    return counts


def _read_sets(annotations, sets):
    """{set: the `AnnotatedImage`s of its file}."""
    wanted, found = {f"instances_{name}.json": name for name in sets}, {}
    for member in members(annotations):
        file = member.name.rpartition("/")[2]
        if file in wanted:
            chunks = member_chunks(member, _MOST_ANNOTATIONS)
            found[wanted.pop(file)] = read_annotations(chunks, f"{annotations}: {file}")
            if not wanted:
                break
    if wanted:
        raise InputError(
            f"{annotations}: expected {', '.join(wanted)}, found none: give COCO's "
            "annotations_trainval archive, or other sets with --sets"
        )
    return found


def _write_labels(images, pairs, least, source, progress):
    """Write the labels of one set; returns the image files that have one."""
    chosen = {}  # name without suffix -> file
    for number, image in enumerate(images, 1):
        label = _label(image, source)
        if np.count_nonzero(label) >= least:
            file = _safe_file(image.file, source)
            stem = os.path.splitext(file)[0]
            if stem in chosen:
                raise FormatError(
                    source,
                    f"two of its images have the names {chosen[stem]} and {file}, and would have "
                    "one label: give images names of their own",
                )
            chosen[stem] = file
            pairs.write_label(stem, label)
        progress(number, len(images))
    return list(chosen.values())


def _label(image, source):
    """H x W uint8 of one image."""
    name = f"{source}: {image.file}"
    label = None
    for index, text in image.objects:
        mask = mask_of(segmentation_of(text), image.height, image.width, name)
        label = np.zeros(mask.shape, np.uint8) if label is None else label
        claimed = mask & (label != 0) & (label != index)
        label[mask] = index
        label[claimed] = IGNORE_LABEL
    return label


def _safe_file(name, source):
    """The last part of an image's name; `FormatError` where it is no plain name."""
    file = name.rpartition("/")[2]
    if not re.fullmatch(r"[\w+=@-][\w.+=@-]*\.(jpg|jpeg|png)", file, re.IGNORECASE):
        raise FormatError(source, f"refused: {name!r} is no image's name")
    return file


def _extract_from_all(archives, wanted, progress):
    """Each archive has some of the images; the last has to have what is left."""
    for archive in archives[:-1]:
        names = {member.name.rpartition("/")[2] for member in members(archive)}
        here = {name: wanted.pop(name) for name in list(wanted) if name in names}
        extract(archive, here, progress)
    extract(archives[-1], wanted, progress)
