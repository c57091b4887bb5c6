"""A model as a folder in the manner of Hugging Face: model, weights, settings and a card.

| file | what it holds |
| --- | --- |
| `model.onnx` | the network with its weights |
| `model.safetensors` | the weights by the names of a state dict |
| `deploy.prototxt` | the network as Caffe's text, with which the weights can be read back |
| `config.json` | classes, their colours, and what becomes of an image before it is the input |
| `README.md` | the card: data, scores, recipe, licence |
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

from caffeformat import InputError, atomic_write, infer_shapes, write_text
from caffeformat.exchange import value_graph
from fcnkit.files import write_json
from fcnkit.images import IGNORE_LABEL, Preprocessor

from .card import card_text
from .files import write_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from caffeformat import Weights, pb

MODEL, WEIGHTS, NET = "model.onnx", "model.safetensors", "deploy.prototxt"
CONFIG, CARD = "config.json", "README.md"


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """What a model's folder says about it.

    name      of the model
    names     class names; None: `class 0`, ...
    palette   256 x 3 RGB uint8, or None
    ignore    the label that training ignored
    licence   of the weights, as an identifier of SPDX or in words; None: not stated
    data      name of the dataset it was trained on, or None
    images    {"train": count, "val": count}, as far as known
    scores    {"mean IoU": value, ...} on the validation images
    recipe    {what: value in words}
    precision in which the ONNX model computes
    """

    name: str
    names: Sequence[str] | None = None
    palette: NDArray[np.uint8] | None = None
    ignore: int = IGNORE_LABEL
    licence: str | None = None
    data: str | None = None
    images: Mapping[str, int] = dataclasses.field(default_factory=dict)
    scores: Mapping[str, float] = dataclasses.field(default_factory=dict)
    recipe: Mapping[str, str] = dataclasses.field(default_factory=dict)
    precision: str = "float32"


def write_model_folder(
    folder: str | os.PathLike[str],
    net: pb.NetParameter,
    weights: Weights,
    card: ModelCard,
    preprocessor: Preprocessor | None = None,
    size: tuple[int, int] | None = None,
) -> None:
    """Write the deployed `net` with its `Weights` into the folder, which exists.

    `preprocessor` is what images go through before they are the net's input; `size` (height, width)
    fixes that of the ONNX model. Raises `InputError` unless the net has one image as input and
    scores as output, and for class names of another number.
    """
    folder, preprocessor = os.fspath(folder), preprocessor or Preprocessor()
    config = _config(net, card, preprocessor, size)
    write_parameters(os.path.join(folder, MODEL), net, weights, size=size)
    write_parameters(os.path.join(folder, WEIGHTS), net, weights)
    write_text(os.path.join(folder, NET), net)
    write_json(os.path.join(folder, CONFIG), config)
    with atomic_write(os.path.join(folder, CARD), "w") as file:
        file.write(card_text(card, config))


def _config(
    net: pb.NetParameter,
    card: ModelCard,
    preprocessor: Preprocessor,
    size: tuple[int, int] | None,
) -> dict[str, Any]:
    graph = value_graph(net)
    shapes = infer_shapes(net)
    if (
        len(graph.inputs) != 1
        or len(graph.outputs) != 1
        or any(len(shapes[blob]) != 4 for blob in (graph.inputs[0], graph.outputs[0]))
    ):
        raise InputError(
            "a model folder needs a net with one image as input and scores as output; this one has "
            f"the inputs {', '.join(graph.inputs)} and the outputs {', '.join(graph.outputs)}"
        )
    (image,), (score,) = graph.inputs, graph.outputs
    channels, classes = shapes[image][1], shapes[score][1]
    preprocessor.check(channels)
    names = list(card.names or (f"class {index}" for index in range(classes)))
    if len(names) != classes:
        raise InputError(
            f"{len(names)} class names, but the net scores {classes} classes: pass {{option}} with "
            "as many",
            option="classes",
        )
    mean = preprocessor.mean
    if mean is not None and mean.ndim == 3:  # an image of one size; its colour fits all
        mean = mean.mean((1, 2))
    config = {
        "model_type": "fully-convolutional-network",
        "architectures": [net.name or "net"],
        "pipeline_tag": "image-segmentation",
        "num_labels": classes,
        "id2label": {str(index): name for index, name in enumerate(names)},
        "label2id": {name: index for index, name in enumerate(names)},
        "ignore_label": card.ignore,
        "onnx": {"file": MODEL, "input": image, "output": score, "precision": card.precision},
        "preprocessing": {
            "layout": "NCHW",
            "dtype": "float32",
            "channels": channels,
            "channel_order": preprocessor.channels if channels == 3 else None,
            "mean": None if mean is None else [float(value) for value in mean],
            "scale": preprocessor.scale,
            "size": None if size is None else list(size),
        },
    }
    if card.palette is not None:
        config["palette"] = card.palette[:classes].tolist()
    return config
