"""What a model of lower precision costs and gains: mean IoU, agreement of masks, size, time."""

from __future__ import annotations

import dataclasses
import os
import statistics
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caffeformat import InputError
from fcnkit.files import known
from fcnkit.images import IGNORE_LABEL
from fcnkit.inference import ConfusionMatrix
from fcnkit.progress import Progress

from .calibration import spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fcnkit.datasets import SegmentationDataset
    from fcnkit.inference import OnnxSegmenter

_ROUNDS = 7  # at least so many times are measured


class Figures(NamedTuple):
    """What was measured of one model."""

    mean_iou: float | None  # against the labels, None where there are none
    size: int  # of the file, in bytes
    milliseconds: float  # from an image to its mask, the median


@dataclasses.dataclass(frozen=True)
class SignOff:
    """Two models of one net, in float32 and in `precision`, on the same images.

    images      their number
    agreement   share of all pixels whose class is the same
    """

    precision: str
    images: int
    agreement: float
    before: Figures
    after: Figures

    def table(self) -> list[str]:
        """Lines to print, one per figure."""
        one, other = self.before, self.after
        share, pace = other.size / one.size, other.milliseconds / one.milliseconds
        rows = [("", "float32", self.precision, "")]
        if one.mean_iou is not None and other.mean_iou is not None:
            change = f"{other.mean_iou - one.mean_iou:+.4f}"
            rows.append(("mean IoU", f"{one.mean_iou:.4f}", f"{other.mean_iou:.4f}", change))
        rows += [
            ("pixels of the same class", "", f"{100 * self.agreement:.3f}%", ""),
            ("size", _megabytes(one.size), _megabytes(other.size), f"{share:.2f}x"),
            (
                "time per image",
                f"{one.milliseconds:.1f} ms",
                f"{other.milliseconds:.1f} ms",
                f"{pace:.2f}x",
            ),
        ]
        head = f"on {self.images} image{'' if self.images == 1 else 's'}:"
        return [
            head,
            *(f"  {what:24}  {a:>10}  {b:>10}  {c:>8}".rstrip() for what, a, b, c in rows),
        ]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON: sizes in bytes, times in milliseconds, no mean IoU as None."""
        models = {"before": self.before, "after": self.after}
        return {
            "precision": self.precision,
            "images": self.images,
            "equal_pixels": self.agreement,
            **{
                name: {
                    "mean_iou": None if found.mean_iou is None else known(found.mean_iou),
                    "bytes": found.size,
                    "milliseconds": found.milliseconds,
                }
                for name, found in models.items()
            },
        }


def sign_off(
    precision: str,
    before: OnnxSegmenter,
    after: OnnxSegmenter,
    dataset: SegmentationDataset,
    classes: int,
    ignore: int = IGNORE_LABEL,
    most: int | None = None,
    progress: Progress | None = None,
) -> SignOff:
    """Compare the float32 model `before` with `after`, which has `precision`.

    `dataset` has the images; at most `most` of them count, evenly spread. `classes` is the number
    of the net's classes, `ignore` the label that is not counted. Both models take turns at each
    image. Raises `InputError` for scores that are not finite in lower precision alone, and as
    `ConfusionMatrix.update`.
    """
    progress = progress or Progress()
    models = (before, after)
    matrices = [ConfusionMatrix(classes, ignore) for _ in models]
    times: list[list[float]] = [[], []]
    equal = pixels = count = 0
    chosen = spread(dataset, most)
    for index in chosen:
        image, name = dataset.image(index, before.form), dataset.ids[index]
        masks = _masks(models, image, name, times, precision)
        equal += int((masks[0] == masks[1]).sum())
        pixels += masks[0].size
        count += 1
        if dataset.has_labels:
            label = dataset.label(index)
            for matrix, mask in zip(matrices, masks):
                matrix.update(mask, label, name)
        if count == 1 and len(chosen) > 1:
            times = [[], []]  # of a pass that made its plans
        progress.step(count, len(chosen), figures={"agreement": equal / pixels})
    while len(times[0]) < _ROUNDS:
        _masks(models, image, name, times, precision)
    figures = [
        Figures(
            matrix.mean_iou if dataset.has_labels else None,
            os.path.getsize(model.path),
            1000 * statistics.median(found),
        )
        for model, matrix, found in zip(models, matrices, times)
    ]
    return SignOff(precision, count, equal / pixels, *figures)


def _masks(
    models: tuple[OnnxSegmenter, OnnxSegmenter],
    image: NDArray[Any],
    name: str,
    times: list[list[float]],
    precision: str,
) -> list[NDArray[np.uint8]]:
    """The class maps of both models; how long they took is added to `times`."""
    masks = []
    is_finite = []
    for model, found in zip(models, times):
        begin = time.perf_counter()
        scores, mask = model.segment(image, name)
        found.append(time.perf_counter() - begin)
        masks.append(mask)
        is_finite.append(scores is None or bool(np.isfinite(scores).all()))
    if is_finite[0] and not is_finite[1]:
        raise InputError(
            f"{name}: in {precision} the scores are not finite numbers, in float32 they are: "
            "values inside the net are outside the range; export it in another precision"
        )
    return masks


def _megabytes(size: int) -> str:
    return f"{size / (1 << 20):.1f} MB" if size >= 1 << 20 else f"{size / (1 << 10):.1f} kB"
