"""Compares two models on the same images: their scores, their masks and the IoU between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from caffeformat import InputError
from fcnkit.engine import largest_absolute
from fcnkit.files import known
from fcnkit.images import as_rgb, contact_sheet, overlay
from fcnkit.progress import Progress

from .reports import class_name
from .scoring import Scoreboard

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from typing import Union

    from numpy.typing import NDArray

    Path = Union[str, os.PathLike[str]]
    Source = Union[str, os.PathLike[str], bytes]
    Image = NDArray[np.uint8]  # H x W x 3 RGB, or H x W class indices
    Segmented = tuple[NDArray[np.float32] | None, Image]  # scores, if any, and class map

_MARK = (255, 0, 0)  # colour of pixels that differ, on a contact sheet


class Model(Protocol):
    """What `compare_models` needs of a model, such as a `Segmenter` or an `OnnxSegmenter`."""

    def read(self, source: Source, name: str | None = None) -> NDArray[Any]:
        """Read an image file as the model takes it, H x W x channels."""

    def segment(self, image: NDArray[Any], name: str = "image") -> Segmented:
        """(scores or None, class map) of `image`; `name` is what errors call it."""


class ImageDifference(NamedTuple):
    """How far apart two models are on one image."""

    name: str
    path: Path
    # Largest |difference| of the scores, and the same relative to the largest |score| of the first
    # model; None where a model returns masks alone, infinite for NaN or infinity in one alone.
    largest: float | None
    relative: float | None
    unequal: float  # share of the pixels whose class differs
    mean_iou: float  # between both masks
    problem: str  # how many scores are not finite numbers, often ""


class Comparison:
    """The differences between two models as the images come in.

    `board` is a `Scoreboard` whose labels are the first model's masks and whose predictions are the
    second's; `images` lists one `ImageDifference` per image; `worst` holds (difference, image,
    first mask, second mask) of the `keep` images with the largest share of differing pixels, the
    worst first.
    """

    def __init__(self, keep: int = 5) -> None:
        self._board: Scoreboard | None = None
        self.images: list[ImageDifference] = []
        self.worst: list[tuple[ImageDifference, Image, Image, Image]] = []
        self._keep = keep

    @property
    def board(self) -> Scoreboard:
        """The scores of the second model's masks against the first's."""
        if self._board is None:
            raise InputError("there are no images to compare")
        return self._board

    def add(
        self, name: str, path: Path, image: Image, first: Segmented, second: Segmented
    ) -> ImageDifference:
        """Add one image with the (scores or None, class map) of each model."""
        (ours, our_map), (theirs, their_map) = first, second
        largest, relative, classes, problem = _score_difference(name, ours, theirs)
        if self._board is None:
            # Masks alone do not show how many classes there are.
            self._board = Scoreboard(classes or 255, ignore=None)
        score = self._board.add(name, their_map, our_map)
        unequal = float((our_map != their_map).mean())
        found = ImageDifference(name, path, largest, relative, unequal, score.mean_iou, problem)
        self.images.append(found)
        self.worst.append((found, image, our_map, their_map))
        self.worst.sort(key=lambda item: (-item[0].unequal, -(item[0].relative or 0)))
        del self.worst[self._keep :]
        return found

    @property
    def equal(self) -> float:
        """Share of all pixels that have the same class in both models."""
        return self.board.matrix.pixel_accuracy

    @property
    def problems(self) -> list[str]:
        """`<image>: <problem>` of every image that has one."""
        return [f"{image.name}: {image.problem}" for image in self.images if image.problem]

    def largest(self, field: str) -> float | None:
        """The maximum of the field `largest` or `relative`; None where there are no scores."""
        values = [value for value in (getattr(i, field) for i in self.images) if value is not None]
        return max(values) if values else None


def compare_models(
    first: Model,
    second: Model,
    images: Mapping[str, Path],
    keep: int = 5,
    progress: Progress | None = None,
    bands: Sequence[int] | None = None,
) -> Comparison:
    """Compare two models on `images` (name -> path), keeping the `keep` worst images.

    `progress` gets a step after each image; `bands` are shown of images (see `as_rgb`). Raises
    `InputError` where the models differ in the number of classes or in the size of their scores.
    """
    comparison, progress = Comparison(keep), progress or Progress()
    for number, (name, path) in enumerate(images.items(), 1):
        image, other = first.read(path), second.read(path)
        comparison.add(
            name,
            path,
            as_rgb(image, bands),
            first.segment(image, str(path)),
            second.segment(other, str(path)),
        )
        progress.step(number, len(images))
    return comparison


def comparison_sheet(
    comparison: Comparison, palette: NDArray[np.uint8], opacity: float = 0.6
) -> Image:
    """A picture of the worst images: image, both masks over it, and where they differ, in red."""
    rows, captions = [], []
    for found, image, first, second in comparison.worst:
        apart = np.zeros((256, 3), np.uint8)
        apart[1] = _MARK
        grey = np.repeat(image.mean(2, keepdims=True).astype(np.uint8), 3, axis=2)
        marked = overlay(grey, (first != second).astype(np.uint8), apart, 1.0)
        painted = [overlay(image, mask, palette, opacity) for mask in (first, second)]
        rows.append([image, *painted, marked])
        captions.append(f"{found.name}: {100 * found.unequal:.3f}% of the pixels differ")
    return contact_sheet(rows, ["image", "first", "second", "different"], captions)


def comparison_as_dict(
    comparison: Comparison, names: Sequence[str] | None = None
) -> dict[str, Any]:
    """A `Comparison` as plain data for JSON: infinite differences are None, `problem` says why."""
    iou = comparison.board.matrix.iou.tolist()
    return {
        "equal_pixels": comparison.equal,
        "largest_score_difference": known(comparison.largest("largest")),
        "largest_relative_score_difference": known(comparison.largest("relative")),
        "problems": comparison.problems,
        "mean_iou": comparison.board.matrix.mean_iou,
        "classes": [
            {"index": index, "name": class_name(index, names), "iou": value}
            for index, value in enumerate(iou)
            if value == value  # classes that neither model found have none
        ],
        "images": [
            {
                key: known(value)
                for key, value in {**found._asdict(), "path": str(found.path)}.items()
            }
            for found in comparison.images
        ],
    }


def comparison_table(comparison: Comparison, names: Sequence[str] | None = None) -> list[str]:
    """A `Comparison` as lines to print: classes, worst images, totals."""
    data = comparison_as_dict(comparison, names)
    width = max(len(entry["name"]) for entry in data["classes"])
    lines = [f"{'class':{width}}  IoU between the masks"]
    lines += [f"{entry['name']:{width}}  {entry['iou']:.6f}" for entry in data["classes"]]
    lines += ["", "images that differ most:"]
    for found, *_ in comparison.worst:
        scores = "" if found.relative is None else f", scores by {found.relative:.1e}"
        lines.append(
            f"  {found.name}: {100 * found.unequal:.4f}% of the pixels{scores}, mean IoU "
            f"{found.mean_iou:.6f}"
        )
    lines += ["", f"{len(comparison.images)} images"]
    lines += [f"not finite numbers: {problem}" for problem in data["problems"]]
    largest, relative = comparison.largest("largest"), comparison.largest("relative")
    if largest is not None and relative is not None:
        lines.append(
            f"largest difference of scores   {largest:.3e} ({relative:.1e} of the largest score)"
        )
    lines.append(f"pixels of the same class       {100 * comparison.equal:.4f}%")
    lines.append(f"mean IoU between the masks     {data['mean_iou']:.6f}")
    return lines


def _score_difference(
    name: str, ours: NDArray[np.float32] | None, theirs: NDArray[np.float32] | None
) -> tuple[float | None, float | None, int | None, str]:
    """(largest difference, relative, classes, problem) of two models' scores for an image.

    Both differences are None where a model has no scores.
    """
    given = [scores for scores in (ours, theirs) if scores is not None]
    counts = [0 if s is None else int((~np.isfinite(s)).sum()) for s in (ours, theirs)]
    problem = ""
    if any(counts):
        problem = (
            f"of {given[0].size} scores, {counts[0]} of the first model's and {counts[1]} of the "
            "second's are NaN or infinite"
        )
    if ours is None or theirs is None:
        return None, None, len(given[0]) if given else None, problem
    if ours.shape != theirs.shape:
        raise InputError(
            f"{name}: the first model's scores are {'x'.join(map(str, ours.shape))}, the second's "
            f"{'x'.join(map(str, theirs.shape))}; they must have the same classes and size"
        )
    largest = largest_absolute(ours, theirs)
    if not np.isfinite(largest):
        return np.inf, np.inf, len(ours), problem
    top = float(np.abs(ours[np.isfinite(ours)]).max(initial=0))
    return largest, largest / top if top else largest, len(ours), problem
