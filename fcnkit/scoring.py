"""Scoring: a network on a dataset, or a folder of masks against a folder of labels."""

import collections

from caffeformat import InputError

from .classes import voc_class_names
from .datasets import find_pairs
from .labels import read_label
from .metrics import ConfusionMatrix

VOC_COUNT = 21

# What the overlay that lies beside a mask has in its name, after the mask's.
OVERLAY_SUFFIX = "_overlay"

ImageScore = collections.namedtuple("ImageScore", "name pixel_accuracy mean_iou iou")
ImageScore.__doc__ = """Scores of one image: its name, pixel accuracy, mean IoU over the classes
that are labelled or predicted in it, and the IoU of each class (float64, NaN where absent)."""


class Scoreboard:
    """Scores of a data set as its images come in: `matrix` over all, `images` one by one."""

    def __init__(self, classes, ignore=255):
        self.matrix = ConfusionMatrix(classes, ignore)
        self.images = []

    def add(self, name, prediction, label):
        """Count one image, H x W class indices each; returns its `ImageScore`."""
        matrix = ConfusionMatrix(self.matrix.n, self.matrix.ignore)
        matrix.update(prediction, label, name)
        self.matrix += matrix
        score = ImageScore(name, matrix.pixel_accuracy, matrix.mean_iou, matrix.iou)
        self.images.append(score)
        return score


def masks_and_labels(predictions, labels, colours=None):
    """The masks in one folder with the labels of the same names in another.

    Yields (name, mask, label, number of pairs), arrays of H x W uint8 indices; `colours` as in
    `labels.read_label`. Overlays beside the masks, as inference writes them, are left aside.
    Raises `InputError` where the folders do not hold the same names.
    """
    pairs = find_pairs(predictions, labels, OVERLAY_SUFFIX)
    for pair in pairs:
        mask, label = read_label(pair.image, colours), read_label(pair.label, colours)
        yield pair.id, mask, label, len(pairs)


def predictions_and_labels(segmenter, dataset):
    """The class maps that a `Segmenter` gives the images of a dataset, with their labels.

    Yields (name, class map, label, number of images), arrays of H x W uint8 indices.
    """
    for i, name in enumerate(dataset.ids):
        yield name, segmenter.class_map(dataset.image(i), name), dataset.label(i), len(dataset)


def score(samples, classes, ignore=255, progress=None):
    """A `Scoreboard` over (name, prediction, label, total) as the functions above yield them.

    `progress`, if any, is called with (done, total, Scoreboard) after each image. Raises
    `InputError` where there are no images, and as `ConfusionMatrix.update` does.
    """
    board = Scoreboard(classes, ignore)
    for name, prediction, label, total in samples:
        board.add(name, prediction, label)
        if progress:
            progress(len(board.images), total, board)
    if not board.images:
        raise InputError("there are no images to score")
    return board


def names_for(classes, names=None):
    """`names` where they fit a network of `classes` classes; without any, VOC's for its 21.

    Returns a list of names or None. Raises `InputError` where their number differs.
    """
    if names is None:
        return voc_class_names() if classes == VOC_COUNT else None
    if len(names) != classes:
        raise InputError(
            f"there are {len(names)} class names, but the network scores {classes} classes: give "
            "the class names of the data that it was trained on"
        )
    return names
