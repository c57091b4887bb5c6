"""Crops around annotated objects, as databases that train a classifier.

The classifier is what net surgery starts from, so its crops come from the images that the FCN
trains on.
"""

import os
import tarfile
import xml.etree.ElementTree as ElementTree

import numpy as np

from caffeformat import LmdbWriter, array_to_datum

# Around a random point, this far in all directions, background crops show no object.
_BACKGROUND_REACH = 10


def read_boxes(archive, names):
    """{image id: [(class index, left, top, right, bottom)]} from a tar archive's Annotations.

    `names` are the class names in the order of their indices; pixels count from 0.
    """
    boxes = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            if "/Annotations/" not in member.name:
                continue
            tree = ElementTree.parse(tar.extractfile(member))
            image_id = os.path.splitext(os.path.basename(member.name))[0]
            boxes[image_id] = [
                (names.index(entry.findtext("name")), *_corners(entry.find("bndbox")))
                for entry in tree.iter("object")
            ]
    return boxes


def _corners(box):
    # VOC counts pixels from 1 and includes the last.
    left, top, right, bottom = (int(box.findtext(key)) for key in ("xmin", "ymin", "xmax", "ymax"))
    return left - 1, top - 1, right, bottom


def write_crops(path, dataset, boxes, side, turns, random):
    """Write a database of crops to `path`; returns their number.

    dataset     a SegmentationDataset; boxes: as from `read_boxes`
    side        pixels of a crop, which shows the middle of its box in its own middle
    turns       each crop is stored this many times (1 to 4), turned by a quarter each time
    random      a RandomState: where background is cropped and in which order crops are stored
    """
    crops = []
    for i, image_id in enumerate(dataset.ids):
        image = np.pad(dataset.image(i), ((side // 2,) * 2, (side // 2,) * 2, (0, 0)), "reflect")
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


def _background(label, random, attempts=20):
    """At most one (0, x, y) with nothing but background near it."""
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
