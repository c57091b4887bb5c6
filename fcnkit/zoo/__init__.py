"""The network zoo: networks as declarations in Python, and the prototxts made from them.

`spec(network)` offers `deploy(...)` and `files(...)`, whose arguments (classes, channels, ...)
default to the published network's values; those are what the files in the network's folder hold.
"""

from __future__ import annotations

from .blocks import database_inputs, pixel_accuracy, segmentation_loss, train_val
from .lookup import network_file
from .recipes import poly, segmentation_recipe, solver
from .registry import Spec, networks, path, spec
from .shapes_nets import CROP

__all__ = [
    "CROP",
    "Spec",
    "database_inputs",
    "network_file",
    "networks",
    "path",
    "pixel_accuracy",
    "poly",
    "segmentation_loss",
    "segmentation_recipe",
    "solver",
    "spec",
    "train_val",
]
