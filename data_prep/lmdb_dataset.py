"""A dataset as DIGITS lays it out, from folders of images and labels.

    OUT/train_db/{features,labels}, OUT/val_db/{features,labels}   LMDBs, keys %09d from 0
    OUT/train.txt, OUT/val.txt     the images' names, in the order of the keys
    OUT/classes.txt, OUT/palette.txt, OUT/mean.txt, OUT/manifest.json
    OUT/mean.binaryproto           where all training images have one shape

The same input gives the same bytes, whatever the number of processes.
"""

import functools
import json
import os
import random

import numpy as np

from caffeformat import InputError, LmdbWriter, write_blob
from fcnkit.datasets import default_palette, find_pairs
from fcnkit.images import open_image
from fcnkit.palette import IGNORE_LABEL, format_palette, full_palette, palette_from_image

from .encoding import Options, PairEncoder, image_shape, stored_mode
from .folders import output_folder
from .parallel import run_workers
from .totals import Totals

VAL_PERCENT = 10  # as DIGITS has it


def find_splits(data=None, images=None, labels=None, val_images=None, val_labels=None):
    """(training pairs, validation pairs or None) from folders given one way or the other.

    `data` is a folder with `{train,val}/{images,labels}` or `{images,labels}`; or else `images` and
    `labels` are folders, and `val_images` and `val_labels` too where validation has its own.
    """
    if data is not None:
        data = os.fspath(data)
        train = os.path.join(data, "train")
        images, labels = (os.path.join(train, "images"), os.path.join(train, "labels"))
        if not os.path.isdir(train):
            images, labels = (os.path.join(data, "images"), os.path.join(data, "labels"))
            if not os.path.isdir(images):
                raise InputError(
                    f"{data}: expected train/images and train/labels, or images and labels, found "
                    f"neither"
                )
        elif os.path.isdir(os.path.join(data, "val")):
            val_images = os.path.join(data, "val", "images")
            val_labels = os.path.join(data, "val", "labels")
    train = find_pairs(images, labels)
    return train, find_pairs(val_images, val_labels) if val_images else None


def split_pairs(pairs, percent, seed):
    """`pairs` as (training, validation), `percent` of them drawn for validation; both in order."""
    order = list(range(len(pairs)))
    random.Random(seed).shuffle(order)
    chosen = set(order[: len(pairs) * percent // 100])
    train = [pair for i, pair in enumerate(pairs) if i not in chosen]
    return train, [pair for i, pair in enumerate(pairs) if i in chosen]


def create_lmdb(
    train,
    val,
    out,
    classes=None,
    colours=None,
    encoding="png",
    label_encoding="png",
    channels="none",
    small=False,
    same_shape=False,
    shuffle_seed=None,
    workers=1,
    force=False,
    progress=lambda split, done, total: None,
):
    """Write the dataset of two lists of `Pair`s (`val` may be empty) to `out`; returns a manifest.

    classes         names, or None: then they are called `class 0`, `class 1`, ...
    colours         N x 3 uint8, the colours of RGB labels (label_array in fcnkit.labels)
    encoding        of images: "png", "jpeg" (quality 90) or "raw"; `label_encoding`: "png" or "raw"
    channels        "color" (three), "grey" (one) or "none" (each image's own)
    small           PNGs compressed as small as Pillow makes them, at ten times the time
    same_shape      whether images of different shapes are an error
    shuffle_seed    puts the training images into a random order; None keeps that of the list
    progress        is called with ("train" or "val", images done, images in all)

    Raises `InputError` for images and labels that cannot be used, naming the file.
    """
    if not train:
        raise InputError("there are no training images left: lower the share of validation images")
    train = list(train)
    if shuffle_seed is not None:
        random.Random(shuffle_seed).shuffle(train)
    options = Options(
        encoding=encoding,
        label_encoding=label_encoding,
        channels=channels,
        small=small,
        colours=colours,
        palette=_palette(train[0].label, colours, classes),
        classes=None if classes is None else len(classes),
        shape=_stored_shape(train[0].image, channels),
        same_shape=same_shape,
    )
    with output_folder(out, force) as folder:
        totals = {}
        for split, pairs in (("train", train), ("val", val)):
            if pairs:
                tell = functools.partial(progress, split)
                totals[split] = _write_split(folder, split, pairs, options, workers, tell)
        if classes is None:
            counts = sum(total.class_pixels for total in totals.values())[:IGNORE_LABEL]
            classes = [f"class {i}" for i in range(np.flatnonzero(counts).max(initial=0) + 1)]
        _write_text(folder, "classes.txt", "".join(f"{name}\n" for name in classes))
        _write_text(folder, "palette.txt", format_palette(options.palette))
        _write_mean(folder, totals["train"])
        manifest = _manifest(options, classes, totals)
        _write_text(folder, "manifest.json", json.dumps(manifest, indent=1) + "\n")
    return manifest


def _palette(label, colours, classes):
    if colours is not None:
        return full_palette(colours)
    with open_image(label) as image:
        return palette_from_image(image, label) if image.mode == "P" else default_palette(classes)


def _stored_shape(path, channels):
    with open_image(path) as image:
        return image_shape(image.size, stored_mode(image, channels))


def _write_split(folder, split, pairs, options, workers, progress):
    """Write the two databases of a split and the list of its names; returns its `Totals`."""
    place = os.path.join(folder, f"{split}_db")
    os.makedirs(place)
    features = LmdbWriter(os.path.join(place, "features"))
    labels = LmdbWriter(os.path.join(place, "labels"))

    def put(datums):
        key = b"%09d" % len(features)
        features.put(key, datums[0])
        labels.put(key, datums[1])
        progress(len(features), len(pairs))

    with features, labels:
        make_worker = functools.partial(PairEncoder, options)
        summaries = run_workers(make_worker, pairs, min(workers, len(pairs)), put)
    _write_text(folder, f"{split}.txt", "".join(f"{pair.id}\n" for pair in pairs))
    totals = Totals(options.shape)
    for summary in summaries:
        totals.merge(summary)
    return totals


def _write_mean(folder, totals):
    mean = totals.mean[::-1]
    text = "# mean of the training images: blue green red\n{:.6f} {:.6f} {:.6f}\n".format(*mean)
    _write_text(folder, "mean.txt", text)
    if totals.mean_image is not None:
        image = np.ascontiguousarray(totals.mean_image[::-1][np.newaxis], np.float32)
        write_blob(os.path.join(folder, "mean.binaryproto"), image)


def _manifest(options, classes, totals):
    """What is in the dataset, for people and programs."""
    splits = {}
    for split, total in totals.items():
        counts = {name: int(total.class_pixels[i]) for i, name in enumerate(classes)}
        splits[split] = {
            "images": total.count,
            "features": f"{split}_db/features",
            "labels": f"{split}_db/labels",
            "names": f"{split}.txt",
            "smallest": list(total.smallest),
            "largest": list(total.largest),
            "shape": list(total.shape) if total.same_shape else None,
            "class_pixels": counts,
            "ignored_pixels": int(total.class_pixels[IGNORE_LABEL]),
            "labels_with_another_palette": total.other_palettes,
        }
    return {
        "format": "DIGITS segmentation dataset",
        "backend": "lmdb",
        "encoding": options.encoding,
        "label_encoding": options.label_encoding,
        "channel_conversion": options.channels,
        "classes": list(classes),
        "ignore_label": IGNORE_LABEL,
        "mean_bgr": [round(float(value), 6) for value in totals["train"].mean[::-1]],
        "splits": splits,
    }


def _write_text(folder, name, text):
    # File names need not be UTF-8; they come back as they were.
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        file.write(text)
