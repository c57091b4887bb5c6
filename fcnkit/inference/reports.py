"""Scores as text, JSON and CSV. An absent class has no score: `-`, null, or an empty cell."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fcnkit.files import known, write_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .metrics import ConfusionMatrix
    from .scoring import Scoreboard

    Names = Sequence[str] | None

SUMMARY = ("pixel_accuracy", "mean_accuracy", "mean_iou", "frequency_weighted_iou")


def class_rows(matrix: ConfusionMatrix, names: Names = None) -> list[dict[str, Any]]:
    """One dict per class: index, name, labelled_pixels, predicted_pixels, accuracy, iou."""
    labelled, predicted = matrix.counts.sum(1), matrix.counts.sum(0)
    return [
        {
            "index": i,
            "name": class_name(i, names),
            "labelled_pixels": int(labelled[i]),
            "predicted_pixels": int(predicted[i]),
            "accuracy": float(matrix.class_accuracy[i]),
            "iou": float(matrix.iou[i]),
        }
        for i in range(matrix.n)
    ]


def class_name(index: int, names: Names = None) -> str:
    """The name of a class, or `class <i>` where it has none."""
    return names[index] if names and index < len(names) else f"class {index}"


def format_scores(board: Scoreboard, names: Names = None) -> str:
    """A `Scoreboard` as the table that `score` prints."""
    rows = class_rows(board.matrix, names)
    width = max([len("class")] + [len(row["name"]) for row in rows])
    lines = [f"{'class':{width}}  {'IoU':>6}  {'acc.':>6}  {'labelled':>12}  {'predicted':>12}"]
    for row in rows:
        lines.append(
            f"{row['name']:{width}}  {_share(row['iou'])}  {_share(row['accuracy'])}  "
            f"{row['labelled_pixels']:12d}  {row['predicted_pixels']:12d}"
        )
    lines.append("")
    for key in SUMMARY:
        lines.append(f"{key.replace('_', ' '):24}{_share(getattr(board.matrix, key))}")
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
        **{key: known(getattr(board.matrix, key)) for key in SUMMARY},
        "classes": [
            {key: known(value) for key, value in row.items()}
            for row in class_rows(board.matrix, names)
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
    rows = class_rows(board.matrix, names)
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
