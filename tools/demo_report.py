"""The demo's page: images beside their masks, the loss curve, the legend, the scores."""

import base64
import io
import os

import jinja2
import numpy as np
from PIL import Image

from caffeformat.files import atomic_write
from fcnkit.datasets import open_dataset
from fcnkit.labels import read_label
from fcnkit.painting import overlay, paint
from fcnkit.reports import SUMMARY, class_rows
from fcnkit.tools.demo_steps import foreground_iou

_HERE = os.path.dirname(os.path.abspath(__file__))
_IMAGES = 12


def write(outcome):
    """Write `report.html` into the demo's folder from its `Outcome`; returns the path.

    The page holds its pictures itself, so that it can be sent as one file.
    """
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(_HERE), autoescape=True)
    board = outcome.boards["fcn"]
    with open_dataset(os.path.join(outcome.folder, "lmdb"), "val") as dataset:
        page = environment.get_template("demo_report.html").render(
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


def _chosen(board):
    """Positions of images from the worst to the best mean IoU, evenly spaced among all."""
    order = np.argsort([image.mean_iou for image in board.images], kind="stable")
    places = np.linspace(0, len(order) - 1, min(_IMAGES, len(order))).round().astype(int)
    return order[places].tolist()


def _row(outcome, dataset, i):
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


def _uri(picture):
    """H x W x 3 uint8 as a data URI."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return _data_uri(buffer.getvalue())


def _file_uri(path):
    with open(path, "rb") as file:
        return _data_uri(file.read())


def _data_uri(png):
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
