"""Scores as text, JSON and CSV. An absent class has no score: `-`, null, or an empty cell."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fcnkit.files import known, write_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from .metrics import ConfusionMatrix
    from .scoring import Scoreboard

    Names = Sequence[str] | None

SUMMARY = ("pixel_accuracy", "mean_accuracy", "mean_iou", "frequency_weighted_iou")
# Columns of the table that `score` prints: heading -> key of `class_rows`
_COLUMNS = {
    "IoU": "iou",
    "recall": "recall",
    "precision": "precision",
    "F1": "f1",
    "boundary": "boundary_iou",
}


def class_rows(
    matrix: ConfusionMatrix, names: Names = None, boundary_iou: NDArray[np.float64] | None = None
) -> list[dict[str, Any]]:
    """One dict per class: index, name, labelled_pixels, predicted_pixels, accuracy, iou, ...

    Then precision, recall and f1, and boundary_iou where it is given.
    """
    labelled, predicted = matrix.counts.sum(1), matrix.counts.sum(0)
    more = {"precision": matrix.precision, "recall": matrix.recall, "f1": matrix.f1}
    if boundary_iou is not None:
        more["boundary_iou"] = boundary_iou
    return [
        {
            "index": i,
            "name": class_name(i, names),
            "labelled_pixels": int(labelled[i]),
            "predicted_pixels": int(predicted[i]),
            "accuracy": float(matrix.class_accuracy[i]),
            "iou": float(matrix.iou[i]),
            **{key: float(values[i]) for key, values in more.items()},
        }
        for i in range(matrix.n)
    ]


def board_rows(board: Scoreboard, names: Names = None) -> list[dict[str, Any]]:
    """`class_rows` of a `Scoreboard`, boundary IoU included."""
    return class_rows(board.matrix, names, board.boundaries.iou)


def summary(board: Scoreboard) -> dict[str, float]:
    """The figures over all classes: those of `SUMMARY`, mean_f1 and mean_boundary_iou."""
    figures = {key: float(getattr(board.matrix, key)) for key in SUMMARY}
    return {
        **figures,
        "mean_f1": board.matrix.mean_f1,
        "mean_boundary_iou": board.boundaries.mean_iou,
    }


def class_name(index: int, names: Names = None) -> str:
    """The name of a class, or `class <i>` where it has none."""
    return names[index] if names and index < len(names) else f"class {index}"


def format_scores(board: Scoreboard, names: Names = None) -> str:
    """A `Scoreboard` as the table that `score` prints."""
    rows = board_rows(board, names)
    width = max([len("class")] + [len(row["name"]) for row in rows])
    shares = "".join(f"  {title:>9}" for title in _COLUMNS)
    lines = [f"{'class':{width}}{shares}  {'labelled':>12}  {'predicted':>12}"]
    for row in rows:
        shares = "".join(f"  {_share(row[key]):>9}" for key in _COLUMNS.values())
        lines.append(
            f"{row['name']:{width}}{shares}  {row['labelled_pixels']:12d}  "
            f"{row['predicted_pixels']:12d}"
        )
    lines.append("")
    for key, value in summary(board).items():
        lines.append(f"{key.replace('_', ' '):24}{_share(value)}")
    absent = [row["name"] for row in rows if math.isnan(row["iou"])]
    if absent:
        lines.append(
            f"left out of the mean IoU, neither labelled nor predicted: {', '.join(absent)}"
        )
    only_predicted = [row["name"] for row in rows if row["iou"] == 0 and not row["labelled_pixels"]]
    if only_predicted:
        lines.append(
            f"predicted but never labelled, IoU 0 in the mean: {', '.join(only_predicted)}"
        )
    lines.append(f"{len(board.images)} images, {board.matrix.total} labelled pixels")
    return "\n".join(lines)


def scores_as_dict(board: Scoreboard, names: Names = None) -> dict[str, Any]:
    """A `Scoreboard` as plain data for JSON; NaN becomes None."""
    return {
        **{key: known(value) for key, value in summary(board).items()},
        "classes": [
            {key: known(value) for key, value in row.items()} for row in board_rows(board, names)
        ],
        "images": [
            {
                "name": image.name,
                "pixel_accuracy": known(image.pixel_accuracy),
                "mean_iou": known(image.mean_iou),
                "iou": [known(value) for value in image.iou.tolist()],
            }
            for image in board.images
        ],
        "confusion": board.matrix.counts.tolist(),
        "ignored_label": board.matrix.ignore,
        "absent_classes": "without score (null) and left out of the means",
    }


def csv_paths(prefix: str) -> list[str]:
    """The three files that `write_csv` writes for `prefix`."""
    return [f"{prefix}_{table}.csv" for table in ("classes", "images", "confusion")]


def write_csv(prefix: str, board: Scoreboard, names: Names = None) -> None:
    """Write a `Scoreboard` as `<prefix>_classes.csv`, `_images.csv` and `_confusion.csv`.

    In the confusion matrix, rows are labels and columns are predictions, in pixels.
    """
    titles = [class_name(i, names) for i in range(board.matrix.n)]
    rows = board_rows(board, names)
    tables = (
        [list(rows[0])] + [[_cell(value) for value in row.values()] for row in rows],
        [["image", "pixel_accuracy", "mean_iou"] + [f"iou {title}" for title in titles]]
        + [
            [image.name] + [_cell(v) for v in (image.pixel_accuracy, image.mean_iou, *image.iou)]
            for image in board.images
        ],
        [["label \\ prediction", *titles]]
        + [[title, *row] for title, row in zip(titles, board.matrix.counts.tolist())],
    )
    for path, table in zip(csv_paths(prefix), tables):
        write_table(path, table)


def _share(value: float) -> str:
    return f"{'-':>6}" if math.isnan(value) else f"{value:6.4f}"


def _cell(value: Any) -> Any:
    return "" if known(value) is None else value
