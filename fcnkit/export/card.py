"""The README of a model's folder, with the metadata in front that model hubs read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .model_folder import ModelCard

# Identifiers that hubs know; other licences are called "other" there, with their name.
_HUB_LICENCES = frozenset(
    ("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0",
     "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "mpl-2.0", "unlicense",
     "openrail", "unknown")
)  # fmt: skip

_HUB_METRICS = {"mean IoU": "mean_iou", "pixel accuracy": "accuracy"}

_USE = """import json

import numpy as np
import onnxruntime
from PIL import Image

with open("config.json", encoding="utf-8") as file:
    config = json.load(file)
settings = config["preprocessing"]
image = np.asarray(Image.open("photo.jpg").convert("RGB"), np.float32)
if settings["channel_order"] == "BGR":
    image = image[:, :, ::-1]
data = image.transpose(2, 0, 1)[None]
if settings["mean"] is not None:
    data = data - np.float32(settings["mean"]).reshape(1, -1, 1, 1)
data = np.ascontiguousarray(data * np.float32(settings["scale"]))
session = onnxruntime.InferenceSession(config["onnx"]["file"])
(scores,) = session.run([config["onnx"]["output"]], {config["onnx"]["input"]: data})
mask = scores[0].argmax(0)  # class indices, H x W
shown = sorted({config["id2label"][str(index)] for index in np.unique(mask)})
print(", ".join(shown))
"""


def card_text(card: ModelCard, config: Mapping[str, Any]) -> str:
    """The text of README.md for a model with the settings `config`."""
    settings = config["preprocessing"]
    lines = [*_metadata(card), "", f"# {_line(card.name)}", ""]
    lines += [
        f"Semantic segmentation of {config['num_labels']} classes, one score per class and pixel.",
        "",
        *_table("classes", {key: _line(name) for key, name in config["id2label"].items()}),
    ]
    if card.data or card.images:
        lines += ["## Data", "", _data_line(card), ""]
    lines += ["## Scores", ""]
    if card.scores:
        where = f" of the {card.images['val']} validation images" if "val" in card.images else ""
        lines += _table(f"measure{where}", {k: f"{v:.4f}" for k, v in card.scores.items()})
    else:
        lines += ["None were measured.", ""]
    if card.recipe:
        lines += ["## Recipe", "", *_table("setting", card.recipe)]
    lines += ["## Input", "", *_table("property", _input_rows(card, settings))]
    if settings["channels"] == 3:
        lines += ["## Use", "", "```python", _USE.rstrip(), "```", ""]
    lines += ["## Licence", "", _licence_line(card)]
    return "\n".join(lines) + "\n"


def _metadata(card: ModelCard) -> list[str]:
    """YAML, whose strings are written as JSON's, which are the same."""
    lines = ["---"]
    licence = card.licence
    if licence is not None and licence.lower() in _HUB_LICENCES:
        lines.append(f"license: {licence.lower()}")
    elif licence is not None:
        lines += ["license: other", f"license_name: {json.dumps(_line(licence))}"]
    lines += ["library_name: onnx", "pipeline_tag: image-segmentation", "tags:"]
    lines += [f"- {tag}" for tag in ("semantic-segmentation", "fcn", "caffe", "onnx")]
    if card.scores:
        data = json.dumps(_line(card.data or "validation images"))
        lines += ["model-index:", f"- name: {json.dumps(_line(card.name))}", "  results:"]
        lines += ["  - task:", "      type: image-segmentation", "    dataset:"]
        lines += [f"      name: {data}", f"      type: {data}", "    metrics:"]
        for name, value in card.scores.items():
            kind = json.dumps(_HUB_METRICS.get(name, name))
            lines += [f"    - type: {kind}", f"      value: {value:.6g}"]
            lines.append(f"      name: {json.dumps(name)}")
    return [*lines, "---"]


def _data_line(card: ModelCard) -> str:
    counts = [f"{count} for {split}" for split, count in _splits(card)]
    images = f" images: {' and '.join(counts)}" if counts else ""
    return f"{_line(card.data or 'Unnamed')}{',' if images else ''}{images}."


def _splits(card: ModelCard) -> list[tuple[str, int]]:
    words = {"train": "training", "val": "validation"}
    return [(words.get(split, split), count) for split, count in card.images.items()]


def _input_rows(card: ModelCard, settings: Mapping[str, Any]) -> dict[str, str]:
    size, mean = settings["size"], settings["mean"]
    order = settings["channel_order"]
    return {
        "layout": f"1 x {settings['channels']} x height x width, float32",
        "size": "any that the network takes" if size is None else f"{size[0]} x {size[1]}",
        "channels": str(settings["channels"]) if order is None else order,
        "subtracted": "nothing" if mean is None else ", ".join(f"{value:g}" for value in mean),
        "then multiplied by": f"{settings['scale']:g}",
        "computes in": card.precision,
    }


def _licence_line(card: ModelCard) -> str:
    if card.licence is None:
        return (
            "The licence of these weights is not stated. They depend on the weights that training "
            "started from and on the terms of the data: state it before the model is passed on."
        )
    return f"The weights: {_line(card.licence)}."


def _table(title: str, rows: Mapping[str, str]) -> list[str]:
    body = [f"| {_cell(name)} | {_cell(value)} |" for name, value in rows.items()]
    return [f"| {title} | |", "| --- | --- |", *body, ""]


def _line(text: str) -> str:
    """`text` on one line, without what Markdown would take for a tag."""
    return " ".join(str(text).split()).replace("<", "&lt;")


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")
