"""Writes a dataset as DIGITS lays it out, from folders of images and labels.

    OUT/train_db/{features,labels}, OUT/val_db/{features,labels}   LMDBs, keys %09d from 0
    OUT/train.txt, OUT/val.txt     the images' names, in the order of the keys
    OUT/classes.txt, OUT/palette.txt, OUT/mean.txt, OUT/manifest.json
    OUT/mean.binaryproto           if all training images have the same shape

The same input gives the same bytes, whatever the number of processes.
"""

from __future__ import annotations

import functools
import os
import random
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import InputError, LmdbWriter, write_blob
from fcnkit.datasets import default_palette, find_pairs
from fcnkit.files import output_folder, write_json
from fcnkit.images import (
    IGNORE_LABEL,
    format_palette,
    full_palette,
    open_image,
    palette_from_image,
    shown_size,
)
from fcnkit.progress import Progress

from ..findings import ADVICE, find
from ..parallel import run_workers
from .encoding import Expected, Form, PairEncoder, image_shape, stored_mode
from .totals import Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import TypeVar

    from numpy.typing import NDArray

    from fcnkit.datasets import Pair

    Path = str | os.PathLike[str]
    T = TypeVar("T")

VAL_PERCENT = 10  # as in DIGITS


def find_splits(
    data: Path | None = None,
    images: Path | None = None,
    labels: Path | None = None,
    val_images: Path | None = None,
    val_labels: Path | None = None,
) -> tuple[list[Pair], list[Pair] | None]:
    """Find (training pairs, validation pairs or None) in one folder or in separate ones.

    `data` is a folder with `{train,val}/{images,labels}` or `{images,labels}`. Otherwise `images`
    and `labels` are folders, and so are `val_images` and `val_labels` if validation has its own.
    """
    if data is not None:
        data = os.fspath(data)
        folder = os.path.join(data, "train")
        images, labels = (os.path.join(folder, "images"), os.path.join(folder, "labels"))
        if not os.path.isdir(folder):
            images, labels = (os.path.join(data, "images"), os.path.join(data, "labels"))
            if not os.path.isdir(images):
                raise InputError(
                    f"{data}: expected train/images and train/labels, or images and labels, found "
                    f"neither"
                )
        elif os.path.isdir(os.path.join(data, "val")):
            val_images = os.path.join(data, "val", "images")
            val_labels = os.path.join(data, "val", "labels")
    if images is None or labels is None:
        raise InputError("pass {data}, or {images} and {labels}", options=_FOLDERS)
    train = find_pairs(images, labels)
    if val_images is None or val_labels is None:
        return train, None
    return train, find_pairs(val_images, val_labels)


_FOLDERS = {"data": None, "images": None, "labels": None}


def split_pairs(pairs: Sequence[T], percent: int, seed: int) -> tuple[list[T], list[T]]:
    """Split into (training, validation), `percent` drawn for validation; both keep their order."""
    order = list(range(len(pairs)))
    random.Random(seed).shuffle(order)
    chosen = set(order[: len(pairs) * percent // 100])
    train = [pair for i, pair in enumerate(pairs) if i not in chosen]
    return train, [pair for i, pair in enumerate(pairs) if i in chosen]


def create_lmdb(
    train: Sequence[Pair],
    val: Sequence[Pair],
    out: Path,
    classes: Sequence[str] | None = None,
    colours: NDArray[np.uint8] | None = None,
    form: Form | None = None,
    *,
    shuffle_seed: int | None = None,
    workers: int = 1,
    force: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write the dataset of two lists of pairs (`val` may be empty) to `out`; returns its manifest.

    classes         names; by default they are called `class 0`, `class 1`, ...
    colours         N x 3 uint8, the colours of labels (see `read_label`)
    form            how images and labels are stored
    shuffle_seed    shuffles the training images; None keeps the order of the list
    workers         number of processes that encode
    force           whether entries of the same names in `out` are replaced

    Raises `InputError` for images and labels that cannot be used, naming the file.
    """
    if not train:
        raise InputError("there are no training images left: lower the share of validation images")
    form, progress, names = form or Form(), progress or Progress(), classes or ()
    train = list(train)
    if shuffle_seed is not None:
        random.Random(shuffle_seed).shuffle(train)
    expected = Expected(
        shape=_stored_shape(train[0].image, form.channels),
        palette=_palette(train[0].label, colours, classes),
        colours=colours,
        classes=None if classes is None else len(classes),
    )
    make_worker = functools.partial(PairEncoder, form, expected)
    with output_folder(out, force) as folder:
        totals = {}
        for split, pairs in (("train", train), ("val", val)):
            if pairs:
                totals[split] = _write_split(folder, split, pairs, make_worker, workers, progress)
        if classes is None:
            counts = np.sum([total.class_pixels for total in totals.values()], axis=0)
            highest = np.flatnonzero(counts[:IGNORE_LABEL]).max(initial=0)
            classes = [f"class {i}" for i in range(highest + 1)]
        for split, total in totals.items():
            found = find(
                total.class_pixels,
                total.count,
                total.black_and_white,
                names,
                total.lossy,
                total.doubtful,
            )
            for finding, detail in found.items():
                progress.note(f"{split}: {finding} ({detail}): {ADVICE[finding]}")
        _write_lines(folder, "classes.txt", classes)
        _write_text(folder, "palette.txt", format_palette(expected.palette))
        _write_mean(folder, totals["train"])
        manifest = _manifest(form, classes, totals)
        write_json(os.path.join(folder, "manifest.json"), manifest)
    return manifest


def _palette(
    label: str, colours: NDArray[np.uint8] | None, classes: Sequence[str] | None
) -> NDArray[np.uint8]:
    if colours is not None:
        return full_palette(colours)
    with open_image(label) as image:
        return palette_from_image(image, label) if image.mode == "P" else default_palette(classes)


def _stored_shape(path: str, channels: str) -> tuple[int, int, int]:
    with open_image(path) as image:
        return image_shape(shown_size(image), stored_mode(image, channels))


def _write_split(
    folder: str,
    split: str,
    pairs: Sequence[Pair],
    make_worker: Callable[[], PairEncoder],
    workers: int,
    progress: Progress,
) -> Totals:
    """Write the two databases of a split and the list of its names; returns its `Totals`."""
    place = os.path.join(folder, f"{split}_db")
    os.makedirs(place)
    features = LmdbWriter(os.path.join(place, "features"))
    labels = LmdbWriter(os.path.join(place, "labels"))

    def put(datums: tuple[bytes, bytes]) -> None:
        key = b"%09d" % len(features)
        features.put(key, datums[0])
        labels.put(key, datums[1])
        progress.step(len(features), len(pairs), split)

    with features, labels:
        totals, *others = run_workers(make_worker, pairs, min(workers, len(pairs)), put)
    for other in others:
        totals.merge(other)
    _write_lines(folder, f"{split}.txt", [pair.id for pair in pairs])
    return totals


def _write_mean(folder: str, totals: Totals) -> None:
    mean = totals.mean[::-1]
    text = "# mean of the training images: blue green red\n{:.6f} {:.6f} {:.6f}\n".format(*mean)
    _write_text(folder, "mean.txt", text)
    if totals.mean_image is not None:
        image = np.ascontiguousarray(totals.mean_image[::-1][np.newaxis], np.float32)
        write_blob(os.path.join(folder, "mean.binaryproto"), image)


def _manifest(form: Form, classes: Sequence[str], totals: Mapping[str, Totals]) -> dict[str, Any]:
    """Description of the dataset for people and programs."""
    splits = {}
    for split, total in totals.items():
        counts = {name: int(total.class_pixels[i]) for i, name in enumerate(classes)}
        splits[split] = {
            "images": total.count,
            "features": f"{split}_db/features",
            "labels": f"{split}_db/labels",
            "names": f"{split}.txt",
            "smallest": list(total.smallest or ()),
            "largest": list(total.largest or ()),
            "shape": list(total.shape) if total.same_shape else None,
            "class_pixels": counts,
            "ignored_pixels": int(total.class_pixels[IGNORE_LABEL]),
            "labels_with_another_palette": total.other_palettes,
        }
    return {
        "format": "DIGITS segmentation dataset",
        "backend": "lmdb",
        "encoding": form.encoding,
        "label_encoding": form.label_encoding,
        "channel_conversion": form.channels,
        "classes": list(classes),
        "ignore_label": IGNORE_LABEL,
        "mean_bgr": [round(float(value), 6) for value in totals["train"].mean[::-1]],
        "splits": splits,
    }


def _write_lines(folder: str, name: str, lines: Iterable[str]) -> None:
    _write_text(folder, name, "".join(f"{line}\n" for line in lines))


def _write_text(folder: str, name: str, text: str) -> None:
    # File names need not be UTF-8; they are written back unchanged.
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        file.write(text)
