"""A segmentation task that a net of two layers learns in seconds: red and green squares."""

import os

import numpy as np
from PIL import Image

from fcnkit.images import voc_palette, write_label

CLASSES = ["background", "red", "green"]


def sample(random, height=24, width=32):
    """(image H x W x 3 uint8 RGB, label H x W uint8) with a border of 255 around the squares."""
    image = random.randint(0, 60, (height, width, 3)).astype(np.uint8)
    label = np.zeros((height, width), np.uint8)
    for index in (1, 2):
        row, column = random.randint(1, height - 11), random.randint(1, width - 11)
        label[row - 1 : row + 10, column - 1 : column + 10] = 255
        label[row : row + 9, column : column + 9] = index
        image[row : row + 9, column : column + 9, index - 1] += 150
    return image, label


def write_dataset(folder, train=8, val=3, size=(24, 32), more=()):
    """Write `<folder>/{train,val}/{images,labels}` and `classes.txt`; returns the folder as str.

    Images have `size`, and in turn the sizes `more`.
    """
    sizes = [size, *more]
    random = np.random.RandomState(0)
    for split, count in (("train", train), ("val", val)):
        for kind in ("images", "labels"):
            os.makedirs(os.path.join(folder, split, kind))
        for i in range(count):
            image, label = sample(random, *sizes[i % len(sizes)])
            stem = f"{split}_{i}.png"
            Image.fromarray(image).save(os.path.join(folder, split, "images", stem))
            write_label(os.path.join(folder, split, "labels", stem), label, voc_palette())
    with open(os.path.join(folder, "classes.txt"), "w") as file:
        file.write("\n".join(CLASSES) + "\n")
    return str(folder)


def net_text(filler='weight_filler { type: "xavier" }', classes=3):
    """An all-in-one net in DIGITS' style: Data layers by phase, stages train, val and deploy."""
    return (
        _DATA.format(name="data", top="data", phase="TRAIN", batch=2)
        + _DATA.format(name="label", top="label", phase="TRAIN", batch=2)
        + _DATA.format(name="data", top="data", phase="TEST", batch=1)
        + _DATA.format(name="label", top="label", phase="TEST", batch=1)
        + _BODY.replace("FILLER", filler).replace("CLASSES", str(classes))
    )


def write_solver(folder, text=None, **fields):
    """Write `net.prototxt` and `solver.prototxt` into `folder`; returns the solver's path."""
    with open(os.path.join(folder, "net.prototxt"), "w") as file:
        file.write(net_text() if text is None else text)
    settings = {
        "base_lr": 0.1,
        "lr_policy": '"fixed"',
        "momentum": 0.9,
        "max_iter": 30,
        "display": 5,
        "test_interval": 10,
        "snapshot": 10,
        "snapshot_prefix": '"snap"',
        "random_seed": 3,
        **fields,
    }
    path = os.path.join(folder, "solver.prototxt")
    with open(path, "w") as file:
        file.write('net: "net.prototxt"\n')
        file.writelines(f"{k}: {v}\n" for k, v in settings.items() if v is not None)
    return path


_DATA = """
layer {{ name: "{name}" type: "Data" top: "{top}" include {{ phase: {phase} }}
  data_param {{ batch_size: {batch} backend: LMDB }} }}
"""

_BODY = """
name: "tiny"
layer { name: "shift" type: "Power" bottom: "data" top: "shifted"
  power_param { shift: -60 scale: 1 } }
layer { name: "small" type: "Power" bottom: "shifted" top: "small"
  power_param { scale: 0.02 } }
layer { name: "conv1" type: "Convolution" bottom: "small" top: "conv1"
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 FILLER } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "score" type: "Convolution" bottom: "conv1" top: "score"
  convolution_param { num_output: CLASSES kernel_size: 1 FILLER } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss"
  loss_param { ignore_label: 255 } exclude { stage: "deploy" } }
layer { name: "accuracy" type: "Accuracy" bottom: "score" bottom: "label" top: "accuracy"
  include { stage: "val" } accuracy_param { ignore_label: 255 } }
"""
