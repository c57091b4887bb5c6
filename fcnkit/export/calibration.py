"""Finds the images that a model is calibrated on, and those by which it is judged afterwards."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import InputError
from fcnkit.datasets import (
    FolderDataset,
    LmdbDataset,
    SegmentationDataset,
    default_palette,
    image_files,
    locate,
    open_dataset,
)
from fcnkit.inference import read_image_set

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Union

    from numpy.typing import NDArray

    from fcnkit.images import ImageForm

    Path = Union[str, os.PathLike[str]]

_SPLITS = ("train", "val")


class NoiseImages(SegmentationDataset):
    """Images of noise without labels, of the `sizes` (height, width), where there are no others."""

    has_labels = False

    def __init__(self, sizes: Sequence[tuple[int, int]]) -> None:
        self._sizes = sizes
        self.ids = [f"noise of {height}x{width}" for height, width in sizes]
        self.classes, self.palette = None, default_palette()

    def image(self, i: int, form: ImageForm | None = None) -> NDArray[Any]:
        channels, depth = (3, "uint8") if form is None else (form.channels, form.depth)
        random = np.random.RandomState(i)
        noise = random.randint(0, 256, (*self._sizes[i], channels or 3))
        return noise.astype(depth or "uint8")


def open_images(
    path: Path, labels: Path | None = None
) -> tuple[SegmentationDataset, SegmentationDataset]:
    """(the images to calibrate on, the images to judge by) below `path`; both may be the same.

    `path` is a dataset folder, such as an output of `create_lmdb`, whose splits `train` and `val`
    they are where it has both; a folder of VOC, with the lists of the same names; one LMDB of
    images; or a folder of images, with their labels in the folder `labels` if they have any. Raises
    `InputError` where there are no images.
    """
    path = os.fspath(path)
    if not os.path.isdir(path):
        problem = "a file" if os.path.exists(path) else "no such folder"
        raise InputError(
            f"{path}: {problem}; expected a folder of images, a dataset folder or an LMDB",
            option="calibrate",
        )
    if labels is not None:
        if not os.path.isdir(labels):
            raise InputError(f"{os.fspath(labels)}: expected a folder of labels", option="labels")
        pairs = FolderDataset(path, labels)
        return pairs, pairs
    found = [_split(path, split) for split in _SPLITS]
    there = [dataset for dataset in found if dataset is not None]
    if there:
        return there[0], there[-1]
    both = _images(path)
    return both, both


def spread(dataset: SegmentationDataset, most: int | None) -> list[int]:
    """The indices of at most `most` images, evenly spread over the dataset; None for all."""
    count = len(dataset)
    if most is None or most >= count:
        return list(range(count))
    return [int(index) for index in np.linspace(0, count - 1, most).round()]


def _split(path: str, split: str) -> SegmentationDataset | None:
    """The images of a split that has labels, None if it is not there."""
    if locate(path, split) is not None:
        return open_dataset(path, split)
    images, labels = (os.path.join(path, name) for name in ("JPEGImages", "SegmentationClass"))
    ids = os.path.join(path, "ImageSets", "Segmentation", f"{split}.txt")
    if all(map(os.path.isdir, (images, labels))) and os.path.isfile(ids):
        return FolderDataset(images, labels, ids=read_image_set(ids))
    return None


def _images(path: str) -> SegmentationDataset:
    """The images of a folder that has no splits, with their labels where they lie beside them."""
    if locate(path) is not None:
        return open_dataset(path, "val")
    if os.path.exists(os.path.join(path, "data.mdb")):
        # A database of a pair has its labels beside it.
        pair = locate(os.path.dirname(os.path.abspath(path)))
        if pair is not None and os.path.samefile(pair.images, path):
            return open_dataset(os.path.dirname(os.path.abspath(path)), "val")
        return LmdbDataset(path, None)
    if not image_files(path):
        raise InputError(
            f"{path}: there are no images in it; expected a folder of images, a dataset folder or "
            "an LMDB",
            option="calibrate",
        )
    return FolderDataset(path, None)
