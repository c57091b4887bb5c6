"""Berkeley's three stages, so narrow that a step takes no time."""

import dataclasses
import os

from caffeformat import write_text
from fcnkit import zoo
from fcnkit.training import Recipe, Stage

FAMILY = ["shapes_fcn32s", "shapes_fcn16s", "shapes_fcn8s"]


def write_family(folder, classes=3, width=1 / 32, snapshot=100, channels=3):
    """Write a folder of prototxts for each network of `FAMILY` into `folder`; returns that.

    snapshot: steps from one snapshot to the next.
    """
    for name in FAMILY:
        os.makedirs(os.path.join(folder, name), exist_ok=True)
        for file, message in zoo.spec(name).files(classes, channels, width=width).items():
            if file == "solver.prototxt":
                message.snapshot = snapshot
            write_text(os.path.join(folder, name, file), message)
    return str(folder)


def stages(folder, names, iterations=4):
    """A `Stage` of some steps for each of `names` in `folder`, an output of `write_family`."""
    return [
        Stage(
            name,
            Recipe(
                os.path.join(folder, name, "solver.prototxt"),
                augment={"flip": True},
                fill=None if position else "msra",
                overrides=[("max_iter", str(iterations))],
                batch_size=2,
                validate=False,
            ),
        )
        for position, name in enumerate(names)
    ]


def changed(stage, **fields):
    """`stage` with other values of its recipe."""
    return dataclasses.replace(stage, recipe=dataclasses.replace(stage.recipe, **fields))
