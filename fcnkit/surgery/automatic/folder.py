"""Writes the folder of an FCN made by automatic surgery: nets, solver, weights, table, picture."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from caffeformat import atomic_write, draw_network, infer_shapes, write_caffemodel, write_text
from fcnkit import zoo

from .inputs import describe
from .report import format_table

if TYPE_CHECKING:
    from caffeformat import Weights, pb

    from .fcn import FCN
    from .inputs import Images


# For fine-tuning: single images, losses are means over pixels; tests see 100 images.
_RECIPE = zoo.segmentation_recipe(0.001, 20000, tests=100, every=2000, **zoo.poly(), iter_size=4)


def write_files(
    folder: str, name: str, fcn: FCN, images: Images, weights: Weights | None = None
) -> list[str]:
    """Write `deploy`, `train_val` and `solver.prototxt`, table, picture and `<name>.caffemodel`.

    folder: an empty folder; images: how they are preprocessed; weights: the FCN's, if there are
    any. Returns the file names.
    """
    measures = [
        zoo.segmentation_loss(normalize=True, score=fcn.net.layer[-1].top[0]),
        zoo.pixel_accuracy(score=fcn.net.layer[-1].top[0]),
    ]
    messages: dict[str, pb.NetParameter | pb.SolverParameter] = {
        "deploy.prototxt": fcn.net,
        "train_val.prototxt": zoo.train_val(fcn.net, _inputs(fcn, images), measures),
        "solver.prototxt": _RECIPE(name),
    }
    for file_name, message in messages.items():
        write_text(os.path.join(folder, file_name), message)
    with atomic_write(os.path.join(folder, "surgery.txt"), "w") as file:
        file.write(surgery_text(fcn, images) + "\n")
    layers = {layer.name for layer in fcn.net.layer}
    drawing = draw_network(fcn.net, highlight=sorted(layers.intersection(fcn.changes)))
    drawing.save(os.path.join(folder, "network.svg"))
    files = [*messages, "surgery.txt", "network.svg"]
    if weights is not None:
        files.append(f"{name}.caffemodel")
        write_caffemodel(os.path.join(folder, files[-1]), weights, fcn.net)
    return files


def surgery_text(fcn: FCN, images: Images) -> str:
    """Several lines of text: what was done to the classifier, and what the FCN's images need."""
    return f"{format_table(fcn)}\n{describe(images, infer_shapes(fcn.net)[fcn.image][1])}"


def _inputs(fcn: FCN, images: Images) -> list[pb.LayerParameter]:
    """Data layers for databases; the image's has the name of the classifier's image."""
    inputs = zoo.database_inputs(images.mean)
    for layer in inputs:
        if layer.name == "data":
            layer.name = layer.top[0] = fcn.image
            if images.scale != 1:
                layer.transform_param.scale = images.scale
    return inputs
