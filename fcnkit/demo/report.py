"""The demo's report: images beside their masks, loss curves, a legend and the scores."""

from __future__ import annotations

import base64
import io
import os
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np
from PIL import Image

from caffeformat import atomic_write
from caffeformat.files import read_bytes
from fcnkit.datasets import open_dataset
from fcnkit.images import overlay, paint, read_label
from fcnkit.inference import SUMMARY, class_rows

from .steps import foreground_iou

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fcnkit.datasets import SegmentationDataset
    from fcnkit.inference import Scoreboard

    from .steps import Outcome

_HERE = os.path.dirname(os.path.abspath(__file__))
_IMAGES = 12


def write(outcome: Outcome) -> str:
    """Write `report.html` into the demo's folder; returns the path.

    The page contains its pictures, so that it can be sent as one file.
    """
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(_HERE), autoescape=True)
    board = outcome.boards["fcn"]
    with open_dataset(os.path.join(outcome.folder, "lmdb"), "val") as dataset:
        page = environment.get_template("report.html").render(
            rows=[_row(outcome, dataset, i) for i in _chosen(board)],
            classes=[
                {**row, "colour": tuple(int(v) for v in dataset.palette[row["index"]])}
                for row in class_rows(board.matrix, outcome.names)
            ],
            summary=[(key.replace("_", " "), getattr(board.matrix, key)) for key in SUMMARY],
            comparison=[(key, foreground_iou(b)) for key, b in outcome.boards.items()],
            curves=[
                (title, _file_uri(os.path.join(outcome.folder, run, "curves.png")))
                for title, run in (
                    ("FCN after net surgery", "fcn"),
                    ("The same FCN from scratch", "scratch"),
                    ("Classifier", "classifier"),
                )
            ],
            surgery=outcome.surgery,
            seconds=outcome.seconds,
            images=len(board.images),
        )
    path = os.path.join(outcome.folder, "report.html")
    with atomic_write(path, "w") as file:
        file.write(page)
    return path


def _chosen(board: Scoreboard) -> list[int]:
    """Return positions of images from the worst to the best mean IoU, evenly spaced."""
    order = np.argsort([image.mean_iou for image in board.images], kind="stable")
    places = np.linspace(0, len(order) - 1, min(_IMAGES, len(order))).round().astype(int)
    return [int(position) for position in order[places]]


def _row(outcome: Outcome, dataset: SegmentationDataset, i: int) -> dict[str, Any]:
    name = dataset.ids[i]
    image, label = dataset.image(i), dataset.label(i)
    mask = read_label(os.path.join(outcome.folder, "masks", f"{name}.png"))
    return {
        "name": name,
        "iou": outcome.boards["fcn"].images[i].mean_iou,
        "pictures": [
            _uri(picture)
            for picture in (
                image,
                paint(label, dataset.palette),
                paint(mask, dataset.palette),
                overlay(image, mask, dataset.palette),
            )
        ],
    }


def _uri(picture: NDArray[np.uint8]) -> str:
    """Return a picture (H x W x 3) as a data URI."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return _data_uri(buffer.getvalue())


def _file_uri(path: str) -> str:
    return _data_uri(read_bytes(path))


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
