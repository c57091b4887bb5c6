"""Scores a network on a dataset, or a folder of masks against a folder of labels."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from caffeformat import InputError
from fcnkit.datasets import find_pairs
from fcnkit.images import read_label, voc_class_names
from fcnkit.progress import Progress

from .ahead import ahead
from .batches import Read, run_in_batches
from .boundaries import BoundaryCounts
from .metrics import ConfusionMatrix

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Iterable, Sequence
    from typing import Union

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from fcnkit.datasets import SegmentationDataset

    from .predictions import Prediction
    from .segmenter import Segmenter

    Path = Union[str, os.PathLike[str]]
    # Name, prediction and label (H x W class indices), and the number of images in all.
    Sample = tuple[str, NDArray[np.uint8], NDArray[np.uint8], int]

Found = TypeVar("Found")

VOC_COUNT = 21

# The overlay and the confidence beside a mask are named after the mask, with these suffixes.
OVERLAY_SUFFIX = "_overlay"
CONFIDENCE_SUFFIX = "_confidence"


class ImageScore(NamedTuple):
    """Scores of one image."""

    name: str
    pixel_accuracy: float
    mean_iou: float  # over the classes that are labelled or predicted in the image
    iou: NDArray[np.float64]  # of each class, NaN where it is absent


class Scoreboard:
    """Scores of a dataset as its images come in.

    `matrix` and `boundaries` count all images, `images` lists them one by one. `worst` holds
    (score, prediction, label) of the `keep` images with the lowest mean IoU, the worst first.
    """

    def __init__(self, classes: int, ignore: int | None = 255, keep: int = 0) -> None:
        self.matrix = ConfusionMatrix(classes, ignore)
        self.boundaries = BoundaryCounts(classes, ignore)
        self.images: list[ImageScore] = []
        self.ignored = 0  # pixels
        self.worst: list[tuple[ImageScore, NDArray[Any], NDArray[Any]]] = []
        self._keep = keep

    def add(self, name: str, prediction: NDArray[Any], label: NDArray[Any]) -> ImageScore:
        """Count one image, H x W class indices each; returns its `ImageScore`."""
        matrix = ConfusionMatrix(self.matrix.n, self.matrix.ignore)
        matrix.update(prediction, label, name)
        self.matrix += matrix
        self.boundaries.update(prediction, label)
        self.ignored += label.size - matrix.total
        score = ImageScore(name, matrix.pixel_accuracy, matrix.mean_iou, matrix.iou)
        self.images.append(score)
        if self._keep and matrix.total:
            self.worst.append((score, prediction, label))
            self.worst.sort(key=lambda item: (item[0].mean_iou, item[0].pixel_accuracy))
            del self.worst[self._keep :]
        return score


def masks_and_labels(
    predictions: Path, labels: Path, colours: ArrayLike | None = None
) -> Generator[Sample, None, None]:
    """Read the masks in one folder and the labels of the same names in another.

    Yields (name, mask, label, number of pairs), arrays of H x W uint8 indices; `colours` as in
    `labels.read_label`. Overlays and confidences beside the masks, as inference writes them, are
    ignored. Raises `InputError` where the two folders do not have the same names.
    """
    pairs = find_pairs(predictions, labels, (OVERLAY_SUFFIX, CONFIDENCE_SUFFIX))
    for pair in pairs:
        mask, label = read_label(pair.image, colours), read_label(pair.label, colours)
        if mask.shape != label.shape:
            found, wanted = ("{1} x {0}".format(*array.shape) for array in (mask, label))
            raise InputError(
                f"{pair.image}: the mask has {found} pixels, its label {pair.label} {wanted}: both "
                "have to be as large as the image; scale them without smoothing (nearest neighbour)"
            )
        yield pair.id, mask, label, len(pairs)


def predictions_and_labels(
    segmenter: Segmenter, dataset: SegmentationDataset, chosen: Iterable[int] | None = None
) -> Generator[Sample, None, None]:
    """Segment the images of a dataset, and read their labels; `chosen` are indices (default: all).

    Yields (name, class map, label, number of images), arrays of H x W uint8 indices. Images and
    labels are read, and class maps finished, in threads beside the net; a few wait for their turn.
    Neighbours of one size go through the net `segmenter.evaluation.batch` at a time. The dataset
    must stay open, and not be read elsewhere, until the iterator is closed.
    """

    def read(i: int) -> Read:
        try:
            image = dataset.image(i, segmenter.form)
        except Exception as error:
            return Read((i, None), dataset.ids[i], error)
        try:
            label: Any = dataset.label(i)
        except Exception as error:  # its turn comes after the image's own
            label = error
        return Read((i, label), dataset.ids[i], image)

    def finish(made: tuple[Read, Callable[[], Prediction] | Exception]) -> Sample:
        (_, label), name, _ = made[0]
        mask = _or_raise(made[1])().mask
        return name, mask, _or_raise(label), len(dataset)

    indices = range(len(dataset)) if chosen is None else chosen
    images = ahead(read, indices, max(2, segmenter.evaluation.batch))
    made = run_in_batches(segmenter, images, segmenter.predict_together)
    with contextlib.closing(ahead(finish, made)) as samples:
        yield from samples


def _or_raise(found: Found | Exception) -> Found:
    if isinstance(found, Exception):
        raise found
    return found


def score(
    samples: Iterable[Sample],
    classes: int,
    ignore: int | None = 255,
    progress: Progress | None = None,
    keep: int = 0,
) -> Scoreboard:
    """Score (name, prediction, label, total) as the functions above yield them.

    `keep` is the number of worst images that the `Scoreboard` keeps; `progress` gets a step after
    each image, with the mean IoU so far. Raises `InputError` where there are no images, and as
    `ConfusionMatrix.update` does.
    """
    board, progress = Scoreboard(classes, ignore, keep), progress or Progress()

    def count(sample: Sample) -> tuple[int, int, float]:
        name, prediction, label, total = sample
        board.add(name, prediction, label)
        return len(board.images), total, board.matrix.mean_iou

    # Images are counted in a thread of its own, while the samples' source makes the next one.
    with contextlib.closing(ahead(count, samples)) as counted:
        for number, total, mean_iou in counted:
            progress.step(number, total, figures={"mean_iou": mean_iou})
    if not board.images:
        raise InputError("there are no images to score")
    labelled = board.matrix.labelled_classes
    if classes > 1 and len(labelled) < 2 and board.ignored:
        share = board.ignored / (board.ignored + board.matrix.total)
        only = (
            f"every other pixel is class {labelled[0]}" if len(labelled) else "there are no others"
        )
        progress.note(
            f"{share:.1%} of the label pixels are {ignore} and not counted, and {only}: these "
            "scores say nothing. Is a class stored as that value? Then read the labels with a "
            "colour map"
        )
    return board


def names_for(classes: int, names: Sequence[str] | None = None) -> Sequence[str] | None:
    """Check that `names` fit a network of `classes` classes; without any, VOC's for its 21.

    Returns the names, or None where there are none. Raises `InputError` where their number differs.
    """
    if names is None:
        return voc_class_names() if classes == VOC_COUNT else None
    if len(names) != classes:
        raise InputError(
            f"there are {len(names)} class names, but the network scores {classes} classes: pass "
            "the class names of the data that it was trained on"
        )
    return names
