"""A net that tells red from green by weights written by hand, and the commands that use it."""

import numpy as np
from tiny_segmentation import net_text

from caffeformat import Weights, parse_text, pb, write_caffemodel
from fcnkit.commands import main

# score = (60 - red - green, red - 60, green - 60) in the net's shifted and scaled input, BGR.
KERNEL = np.zeros((8, 3, 3, 3), np.float32)
KERNEL[0, 2, 1, 1] = KERNEL[1, 1, 1, 1] = 1
SCORES = np.zeros((3, 8, 1, 1), np.float32)
SCORES[1, 0], SCORES[2, 1], SCORES[0, :2] = 1, 1, -1


def write_network(folder):
    """Write a net into `folder`, the current one, and weights that tell red from green."""
    (folder / "net.prototxt").write_text(net_text())
    write_weights("red_green.caffemodel")


def write_weights(path, score="score", classes=3, factor=1):
    blobs = {
        "conv1": [factor * KERNEL, np.zeros(8, np.float32)],
        score: [SCORES[:classes], np.array([0.5, 0, 0], np.float32)[:classes]],
    }
    types = dict.fromkeys(blobs, "Convolution")
    net = parse_text(net_text(), pb.NetParameter)
    write_caffemodel(path, Weights(blobs, name=net.name, types=types))


NETWORK = ["--net", "net.prototxt", "--weights", "red_green.caffemodel"]


def infer(*arguments):
    return main.run_module("fcnkit.commands.infer", [*arguments, "-o", "out", *NETWORK])


def score(*arguments):
    return main.run_module("fcnkit.commands.score", list(arguments))


def two_colours(height, width):
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2, 0] = 220
    image[:, width // 2 :, 1] = 220
    return image
