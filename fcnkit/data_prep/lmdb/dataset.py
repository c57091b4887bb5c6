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
from fcnkit.datasets import (
    common_channels,
    default_palette,
    find_pairs,
    form_of_file,
    refuse_other_names,
)
from fcnkit.files import output_folder, write_json
from fcnkit.images import (
    IGNORE_LABEL,
    ImageForm,
    check_bands,
    class_names_text,
    format_palette,
    full_palette,
    open_image,
    open_picture,
    palette_from_image,
)
from fcnkit.progress import Progress

from ..findings import ADVICE, find
from ..parallel import run_workers
from .encoding import Expected, Form, PairEncoder
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
        refuse_other_names(data)
        folder = os.path.join(data, "train")
        images, labels = (os.path.join(folder, "images"), os.path.join(folder, "labels"))
        if not os.path.isdir(folder):
            images, labels = (os.path.join(data, "images"), os.path.join(data, "labels"))
            if not os.path.isdir(images):
                raise InputError(
                    f"{data}: expected train/images and train/labels, or images and labels, found "
                    "neither: prepare_data makes them of other layouts and of archives"
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
    if classes is not None:
        class_names_text(classes)  # before hours of work for what could not be read
    train = list(train)
    if shuffle_seed is not None:
        random.Random(shuffle_seed).shuffle(train)
    size, image = _stored_form([*train, *val], form)
    if form.bands is not None and (image.channels or 0) >= 3:
        check_bands(form.bands, image.channels)
    expected = Expected(
        shape=(image.channels or 1, size[1], size[0]),
        image=image,
        palette=_palette(train[0].label, colours, classes),
        colours=colours,
        classes=None if classes is None else len(classes),
    )
    make_worker = functools.partial(PairEncoder, form, expected)
    folders = {
        os.path.dirname(path) for pair in [*train, *val] for path in (pair.image, pair.label)
    }
    with output_folder(out, force, sorted(folders)) as folder:
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
            for note in _image_notes(total):
                progress.note(f"{split}: {note}")
        _write_text(folder, "classes.txt", class_names_text(classes))
        _write_text(folder, "palette.txt", format_palette(expected.palette))
        _write_mean(folder, totals["train"], image.depth)
        manifest = _manifest(form, image, classes, totals)
        write_json(os.path.join(folder, "manifest.json"), manifest)
    return manifest


def _palette(
    label: str, colours: NDArray[np.uint8] | None, classes: Sequence[str] | None
) -> NDArray[np.uint8]:
    if colours is not None:
        return full_palette(colours)
    with open_image(label) as image:
        return palette_from_image(image, label) if image.mode == "P" else default_palette(classes)


def _stored_form(pairs: Sequence[Pair], form: Form) -> tuple[tuple[int, int], ImageForm]:
    """(size of the first image, what all images are stored as)."""
    with open_picture(pairs[0].image) as first:
        size, channels = first.size, first.channels
        depth = "uint8" if form.white is not None else first.depth
    if isinstance(form.channels, int):
        channels = form.channels
    elif form.channels in ("color", "grey"):
        channels = {"color": 3, "grey": 1}[form.channels]
    elif channels == 1:
        # Only grey images can become something else, which takes a look at every header.
        channels = common_channels(form_of_file(pair.image) for pair in pairs) or 1
    return size, ImageForm(channels, depth, form.white)


def _image_notes(totals: Totals) -> list[str]:
    """What was done to images that somebody may not expect."""
    notes = []
    if totals.repeated:
        notes.append(f"{totals.repeated} of {totals.count} images are grey: stored as colour")
    if totals.transparent:
        notes.append(
            f"{totals.transparent} of {totals.count} images have a last channel that their files "
            "call transparency and that varies: it was left out. Pass the number of channels to "
            "keep it"
        )
    return notes


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


def _number(value: float, depth: str | None) -> str:
    """A mean as text: floats may all be far below 1."""
    return f"{value:.9g}" if depth == "float32" else f"{value:.6f}"


def _write_mean(folder: str, totals: Totals, depth: str | None) -> None:
    mean = _stored_order(totals.mean)
    order = "blue green red" if len(mean) == 3 else "one value per channel"
    numbers = " ".join(_number(value, depth) for value in mean)
    _write_text(folder, "mean.txt", f"# mean of the training images: {order}\n{numbers}\n")
    if totals.mean_image is not None:
        image = np.ascontiguousarray(_stored_order(totals.mean_image)[np.newaxis], np.float32)
        write_blob(os.path.join(folder, "mean.binaryproto"), image)


def _stored_order(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values per channel in the order of a Datum: blue first where they are red, green and blue."""
    return values[::-1] if len(values) == 3 else values


def _manifest(
    form: Form, image: ImageForm, classes: Sequence[str], totals: Mapping[str, Totals]
) -> dict[str, Any]:
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
    mean = [float(_number(v, image.depth)) for v in _stored_order(totals["train"].mean)]
    return {
        "format": "DIGITS segmentation dataset",
        "backend": "lmdb",
        "encoding": form.encoding,
        "label_encoding": form.label_encoding,
        "channel_conversion": form.channels,
        "channels": image.channels,
        "depth": image.depth,
        "white": form.white,
        "bands": None if form.bands is None else list(form.bands),
        "classes": list(classes),
        "ignore_label": IGNORE_LABEL,
        "mean": mean,
        **({"mean_bgr": mean} if len(mean) == 3 else {}),
        "splits": splits,
    }


def _write_lines(folder: str, name: str, lines: Iterable[str]) -> None:
    _write_text(folder, name, "".join(f"{line}\n" for line in lines))


def _write_text(folder: str, name: str, text: str) -> None:
    # File names need not be UTF-8; they are written back unchanged.
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        file.write(text)
