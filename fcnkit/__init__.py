"""Prepare, transplant, train, score and paint Caffe's fully convolutional networks.

    import fcnkit
    from fcnkit.images import read_rgb

    recipe = fcnkit.Recipe("solver.prototxt", data="dataset")
    fcnkit.train(recipe, "run", fcnkit.Start(weights="fcn.caffemodel"))
    net = fcnkit.read_run("run").segmenter()
    mask = net.class_map(read_rgb("photo.jpg"))

What each name does is told by its room (`fcnkit.training`, `fcnkit.inference`, ...). Names are
imported when they are used, so that `import fcnkit` loads neither an engine nor a library.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caffeformat import InputError
    from fcnkit.datasets import open_dataset
    from fcnkit.downloads import fetch as download
    from fcnkit.export import to_onnx
    from fcnkit.inference import Segmenter, score, segment_files
    from fcnkit.state_dicts import convert
    from fcnkit.surgery import fcn_from_classifier, transplant
    from fcnkit.training import Recipe, Stage, Start, read_run, train, train_stages
    from fcnkit.zoo import spec as network

__version__ = "0.2.0"

# ONNX Runtime would report its use to its maker, and note so in the folder for temporary files.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = [
    "InputError",
    "Recipe",
    "Segmenter",
    "Stage",
    "Start",
    "__version__",
    "convert",
    "download",
    "fcn_from_classifier",
    "network",
    "open_dataset",
    "read_run",
    "score",
    "segment_files",
    "to_onnx",
    "train",
    "train_stages",
    "transplant",
]

# name -> (room, its name there)
_PLACES = {
    "InputError": ("caffeformat", "InputError"),
    "Recipe": ("fcnkit.training", "Recipe"),
    "Segmenter": ("fcnkit.inference", "Segmenter"),
    "Stage": ("fcnkit.training", "Stage"),
    "Start": ("fcnkit.training", "Start"),
    "convert": ("fcnkit.state_dicts", "convert"),
    "download": ("fcnkit.downloads", "fetch"),
    "fcn_from_classifier": ("fcnkit.surgery", "fcn_from_classifier"),
    "network": ("fcnkit.zoo", "spec"),
    "open_dataset": ("fcnkit.datasets", "open_dataset"),
    "read_run": ("fcnkit.training", "read_run"),
    "score": ("fcnkit.inference", "score"),
    "segment_files": ("fcnkit.inference", "segment_files"),
    "to_onnx": ("fcnkit.export", "to_onnx"),
    "train": ("fcnkit.training", "train"),
    "train_stages": ("fcnkit.training", "train_stages"),
    "transplant": ("fcnkit.surgery", "transplant"),
}


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _PLACES[name]
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
