"""The folder of an FCN that automatic surgery made: nets, solver, weights, table and picture."""

import os

from caffeformat import atomic_write, draw_network, infer_shapes, write_caffemodel, write_text
from fcnkit import zoo

from .inputs import describe
from .report import format_table


def write_files(folder, name, fcn, images, weights=None):
    """Write `deploy`, `train_val` and `solver.prototxt`, table, picture and `<name>.caffemodel`.

    folder: an empty folder; fcn: an `auto_surgery.FCN`; images: `auto_surgery_images.Images`, what
    becomes of them before the net; weights: its `Weights`, if there are any. Returns the file
    names.
    """
    measures = [
        zoo.segmentation_loss(normalize=True, score=fcn.net.layer[-1].top[0]),
        zoo.pixel_accuracy(score=fcn.net.layer[-1].top[0]),
    ]
    messages = {
        "deploy.prototxt": fcn.net,
        "train_val.prototxt": zoo.train_val(fcn.net, _inputs(fcn, images), measures),
        "solver.prototxt": _solver(name),
    }
    for file, message in messages.items():
        write_text(os.path.join(folder, file), message)
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


def surgery_text(fcn, images):
    """What was done to the classifier, and what the FCN's images need: text of several lines."""
    return f"{format_table(fcn)}\n{describe(images, infer_shapes(fcn.net)[fcn.image][1])}"


def _inputs(fcn, images):
    """Data layers for databases; the image's is called as the classifier calls its image."""
    inputs = zoo.database_inputs(images.mean)
    for layer in inputs:
        if layer.name == "data":
            layer.name = layer.top[0] = fcn.image
            if images.scale != 1:
                layer.transform_param.scale = images.scale
    return inputs


def _solver(name):
    """A recipe for fine-tuning: single images, losses are means over pixels; tests see 100."""
    return zoo.solver(
        name,
        base_lr=0.001,
        max_iter=20000,
        lr_policy="poly",
        power=0.9,
        weight_decay=0.0005,
        iter_size=4,
        average_loss=20,
        snapshot=2000,
        test_iter=[100],
        test_interval=2000,
        test_initialization=False,
    )
