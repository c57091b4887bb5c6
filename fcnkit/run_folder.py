"""What a training leaves for inference: net, weights, and how images become the net's input.

A deploy net has no place for the mean and scale of the training's data layers; beside it,
`inference.json` keeps them, with the names and colours of the classes.
"""

import collections
import json
import os

import numpy as np

from caffeformat import FormatError, InputError, read_solver

from . import joint_data, networks, snapshots
from .palette import full_palette
from .reports import write_json

FILE_NAME = "inference.json"

Run = collections.namedtuple("Run", "net weights mean scale names palette")
Run.__doc__ = """A trained network: paths of its deploy net and of the newest whole snapshot's
weights, the mean (blue, green, red; or None) and scale of its input, class names (or None) and
palette (256 x 3 uint8, or None)."""


def write_settings(folder, files, names=None, palette=None):
    """Write `inference.json` for the run of `files` (RunFiles), whose nets are in `folder`."""
    mean, scale = input_settings(files)
    settings = {"mean": mean, "scale": scale, "classes": list(names) if names else None}
    if palette is not None:
        settings["palette"] = np.asarray(palette).tolist()
    write_json(os.path.join(folder, FILE_NAME), settings)


def input_settings(files):
    """(mean, blue green red or None, and scale) of the images that the net of `files` reads."""
    mean, scale = None, 1.0
    for layer in networks.data_layers(files.train):
        if not all(networks.is_label(top) for top in layer.top):
            options = joint_data.transform_of(files, layer)
            mean, scale = options.get("mean"), options.get("input_scale", 1.0)
    return mean, scale


def read_run(folder):
    """The `Run` in `folder`, an output of `train`.

    Raises `InputError` where it holds no training or no whole snapshot yet, `FormatError` for
    settings that are damaged.
    """
    path = os.path.join(folder, FILE_NAME)
    try:
        with open(path, encoding="utf-8") as file:
            settings = json.load(file)
        mean, scale = settings["mean"], float(settings["scale"])
        names, palette = settings["classes"], settings.get("palette")
        mean = None if mean is None else [float(value) for value in mean]
        palette = None if palette is None else full_palette(palette)
    except OSError as error:
        raise InputError(f"{folder}: is no output of train: {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(
            path, f"is damaged ({error}): give --net, --weights and --mean"
        ) from error
    solver = read_solver(os.path.join(folder, "solver.prototxt"))
    prefix = os.path.join(folder, os.path.basename(solver.snapshot_prefix))
    state, _ = snapshots.newest(prefix)
    if state is None:
        raise InputError(f"{folder}: holds no whole snapshot {os.path.basename(prefix)}_iter_*")
    weights = snapshots.weights_of(state)
    return Run(os.path.join(folder, "deploy.prototxt"), weights, mean, scale, names, palette)
