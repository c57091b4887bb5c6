"""An earlier run in the folder `run`, which another one is to replace."""

import os

import numpy as np
from tiny_segmentation import write_dataset, write_solver

from caffeformat import Weights, read_net, write_caffemodel
from fcnkit.training import Observer, Recipe, curves, train


class Notes(Observer):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def write_inputs(folder, monkeypatch):
    """Write a dataset, a solver and weights that do not fit, go there, and draw no curves."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(curves, "plot", lambda path, *_: open(path, "w").close())
    write_dataset(folder / "data", train=4, val=2)
    write_solver(folder, max_iter=4, display=1, test_interval=2, snapshot=2)
    write_other_weights()


def write_other_weights():
    """Weights that do not fit the net."""
    weights = Weights({"score": [np.ones((5, 8, 1, 1), np.float32)]}, name="other")
    weights.types["score"] = "Convolution"
    write_caffemodel("other.caffemodel", weights, read_net("net.prototxt"))


def recipe(*overrides, **settings):
    settings = {"augment": {}, "overrides": overrides, **settings}
    return Recipe("solver.prototxt", "data", **settings)


def content(folder="run"):
    """Path -> bytes of every file in a folder, but for locks."""
    return {
        os.path.relpath(os.path.join(place, name), folder): read(os.path.join(place, name))
        for place, _, names in os.walk(folder)
        for name in names
        if not name.endswith("-lock")
    }


def read(path):
    with open(path, "rb") as file:
        return file.read()


def earlier(**settings):
    """What a run left that wrote every kind of file, beside files that are nobody's."""
    train(recipe(class_weights=1.0, **settings), "run")
    for name in ("notes.txt", "train.log.before", "snap_iter_2.txt", "other_iter_4.caffemodel"):
        with open(os.path.join("run", name), "w") as file:
            file.write("mine")
    return content()


def mine(found):
    return {name for name, data in found.items() if data == b"mine"}
