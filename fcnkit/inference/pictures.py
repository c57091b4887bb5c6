"""Pictures of scores: the confusion matrix, and a sheet of the images that were scored worst."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import atomic_write, printable
from fcnkit.images import contact_sheet, overlay, paint

from .reports import class_name

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from .metrics import ConfusionMatrix
    from .scoring import Scoreboard

    Image = NDArray[np.uint8]  # H x W x 3 RGB

_MOST_NUMBERS = 30  # classes with a number in each cell
_MOST_NAMES = 80  # classes with a name at their row
_LONGEST_NAME = 20  # characters
_WRONG = (255, 0, 0)


def draw_confusion(
    path: str | os.PathLike[str], matrix: ConfusionMatrix, names: Sequence[str] | None = None
) -> None:
    """Draw a confusion matrix into a PNG at `path`, a row per class of the labels.

    A cell's colour is the share of the row's pixels that were predicted as the column's class, from
    white (none) to dark blue (all); up to 30 classes it is also written in per cent. Rows of
    classes that no label has are grey.
    """
    # matplotlib's object interface touches neither a window system nor global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = matrix.n
    labelled = matrix.counts.sum(1, keepdims=True)
    shares = np.full((count, count), np.nan)
    np.divide(matrix.counts, labelled, out=shares, where=labelled > 0)
    has_numbers = count <= _MOST_NUMBERS
    side = 2.5 + min(count * (0.42 if has_numbers else 0.16), 24)
    figure = Figure(figsize=(side + 1, side), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.22, 0.06, 0.70, 0.72))
    axes.set_facecolor("0.85")
    shown = axes.imshow(np.ma.masked_invalid(shares), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    if count <= _MOST_NAMES:
        titles = [_shortened(class_name(index, names)) for index in range(count)]
        size = 9 if has_numbers else 7
        axes.set_xticks(range(count))
        axes.set_yticks(range(count))
        axes.set_xticklabels(titles, rotation=90, fontsize=size)
        axes.set_yticklabels(titles, fontsize=size)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set(xlabel="predicted as", ylabel="label")
    for row, column in np.argwhere(shares > 0) if has_numbers else ():
        share = shares[row, column]
        axes.text(
            column,
            row,
            _per_cent(share),
            ha="center",
            va="center",
            fontsize=7,
            color="white" if share > 0.5 else "black",
        )
    figure.colorbar(shown, cax=figure.add_axes((0.94, 0.06, 0.02, 0.72)))
    figure.text(
        0.22,
        0.06 - 0.35 / side,
        f"share of each label's pixels, in per cent; mean IoU {matrix.mean_iou:.4f}",
        fontsize=9,
    )
    with atomic_write(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a letter that the font lacks is drawn as a box
        figure.savefig(file, format="png", bbox_inches="tight", pad_inches=0.15)


def worst_sheet(
    board: Scoreboard,
    palette: NDArray[np.uint8],
    image_of: Callable[[str], Image | None] = lambda name: None,
    opacity: float = 0.6,
) -> Image:
    """A picture of the worst images of a `Scoreboard`, H x W x 3 uint8 RGB, the worst first.

    Each row shows the image, its label and its mask over it, and in red the counted pixels that are
    wrong. `image_of` returns the image of a name, H x W x 3 RGB, or None where there is none: then
    label and mask are shown by themselves.
    """
    rows, captions = [], []
    marks = np.zeros((256, 3), np.uint8)
    marks[1] = _WRONG
    for found, prediction, label in board.worst:
        image = image_of(found.name)
        wrong = prediction != label
        if board.matrix.ignore is not None:
            wrong &= label != board.matrix.ignore
        maps = [np.asarray(each, np.uint8) for each in (label, prediction)]
        if image is None:
            grey = np.full((*label.shape, 3), 255, np.uint8)
            row = [paint(each, palette) for each in maps]
        else:
            grey = np.repeat(image.mean(2, keepdims=True).astype(np.uint8), 3, axis=2)
            row = [image, *(overlay(image, each, palette, opacity) for each in maps)]
        rows.append([*row, overlay(grey, wrong.astype(np.uint8), marks, 1.0)])
        captions.append(
            f"{found.name}: mean IoU {found.mean_iou:.4f}, {100 * found.pixel_accuracy:.2f}% of "
            "the pixels are right"
        )
    headings = ["image", "label", "mask", "wrong"]
    has_images = not rows or len(rows[0]) == len(headings)
    return contact_sheet(rows, headings if has_images else headings[1:], captions)


def _per_cent(share: float) -> str:
    text = f"{100 * share:.0f}"
    return "<1" if text == "0" else text


def _shortened(name: str) -> str:
    """A name as a picture shows it; a dollar sign would begin a formula."""
    name = printable(name)
    short = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
    return short.replace("$", r"\$")
