"""Crops around annotated objects, as databases that train a classifier.

Net surgery starts from this classifier, so the crops are taken from the images that the FCN is
trained on.
"""

from __future__ import annotations

import os
import tarfile
import xml.etree.ElementTree as ElementTree
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import LmdbWriter, array_to_datum
from caffeformat.files import open_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from xml.etree.ElementTree import Element

    from numpy.typing import NDArray

    from fcnkit.datasets import SegmentationDataset

    # Class index, left, top, right, bottom.
    Box = tuple[int, int, int, int, int]

# Background crops are centred on a point with no object this near, in pixels.
_BACKGROUND_REACH = 10


def read_boxes(archive: str | os.PathLike[str], names: Sequence[str]) -> dict[str, list[Box]]:
    """Read the boxes of each image, by image id, from the Annotations in a tar archive.

    A box is (class index, left, top, right, bottom) with pixels counted from 0; `names` are the
    class names in the order of their indices.
    """
    boxes: dict[str, list[Box]] = {}
    with open_file(archive) as source, tarfile.open(fileobj=source) as tar:
        for member in tar:
            if "/Annotations/" not in member.name:
                continue
            file = tar.extractfile(member)
            if file is None:
                continue
            image_id = os.path.splitext(os.path.basename(member.name))[0]
            boxes[image_id] = [
                _box(entry, names) for entry in ElementTree.parse(file).iter("object")
            ]
    return boxes


def _box(entry: Element, names: Sequence[str]) -> Box:
    left, top, right, bottom = (
        int(entry.findtext(f"bndbox/{key}", "")) for key in ("xmin", "ymin", "xmax", "ymax")
    )
    # VOC counts pixels from 1 and includes the last.
    return names.index(entry.findtext("name", "")), left - 1, top - 1, right, bottom


def write_crops(
    path: str | os.PathLike[str],
    dataset: SegmentationDataset,
    boxes: Mapping[str, Sequence[Box]],
    side: int,
    turns: int,
    random: np.random.RandomState,
) -> int:
    """Write a database of crops to `path`; returns their number.

    dataset     where the images come from
    boxes       the boxes of each image, as `read_boxes` returns them
    side        side of a crop in pixels; the centre of its box is at the centre of the crop
    turns       each crop is stored this many times (1 to 4), rotated by 90 degrees each time
    random      decides where background is cropped and in which order crops are stored
    """
    crops = []
    for i, image_id in enumerate(dataset.ids):
        margin = (side // 2, side // 2)
        image = np.pad(dataset.image(i), (margin, margin, (0, 0)), "reflect")
        centres = [
            (index, (left + right) // 2, (top + bottom) // 2)
            for index, left, top, right, bottom in boxes[image_id]
        ]
        centres += _background(dataset.label(i), random)
        for index, x, y in centres:
            crop = image[y : y + side, x : x + side]
            crops += [(index, np.rot90(crop, turn)) for turn in range(turns)]
    with LmdbWriter(path) as database:
        for number, position in enumerate(random.permutation(len(crops))):
            index, crop = crops[position]
            bgr = np.ascontiguousarray(crop[:, :, ::-1].transpose(2, 0, 1))
            database.put(b"%09d" % number, array_to_datum(bgr, index).SerializeToString())
    return len(crops)


def _background(
    label: NDArray[np.uint8], random: np.random.RandomState, attempts: int = 20
) -> list[tuple[int, int, int]]:
    """Return at most one (0, x, y) with nothing but background near it."""
    height, width = label.shape
    for _ in range(attempts):
        x, y = random.randint(width), random.randint(height)
        near = label[
            max(0, y - _BACKGROUND_REACH) : y + _BACKGROUND_REACH,
            max(0, x - _BACKGROUND_REACH) : x + _BACKGROUND_REACH,
        ]
        if not near.any():
            return [(0, x, y)]
    return []
