"""Settings of a training run: a `Recipe` (what to train, on what) and a `Start` (from where).

`Snapshots`, a part of the recipe, says what a run keeps, and when it may end early.
"""

from __future__ import annotations

import dataclasses
import math
import os
from typing import TYPE_CHECKING, Any, Protocol

from caffeformat import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Caffe counts in 32 bits.
MOST_ITERATIONS = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class Snapshots:
    """When a run takes snapshots, how many of them stay, and when it ends early.

    The weights with the best mean IoU of the validation images are kept beside them in any case,
    under a name of their own.

    every       iterations between snapshots, 0 for none; None: the solver's `snapshot`
    epochs      the same in passes over the training data
    keep        how many snapshots stay: older ones are removed once a newer one is whole; None: all
    patience    ends the run after so many tests in a row without a better mean IoU; None: never
    """

    every: int | None = None
    epochs: float | None = None
    keep: int | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        if self.every is not None and self.epochs is not None:
            raise InputError(
                f"snapshots every {self.every} iterations and every {self.epochs:g} passes over "
                "the data: expected one of the two"
            )
        if self.every is not None and self.every < 0:
            raise InputError(f"snapshots every {self.every} iterations: expected 0 (none) or more")
        if self.every is not None and self.every > MOST_ITERATIONS:
            raise InputError(
                f"snapshots every {self.every} iterations: expected {MOST_ITERATIONS} at most"
            )
        if self.epochs is not None and not 0 < self.epochs < float("inf"):
            raise InputError(f"snapshots every {self.epochs} passes: expected a number above 0")
        for name in ("keep", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError("{option}: expected a number above 0", option=name, value=value)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A solver, its data, and what to change in both before training.

    solver          path of a solver.prototxt; empty: that of the model that the run continues
    data            dataset folder for data layers that name no source of their own
    augment         options of SegmentationData (scale, crop, flip, ...), which then replaces the
                    Data layers
    fill            "xavier" or "msra": fills layers that would start at zero
    class_weights   weighs the loss by median-frequency class weights raised to this power, above 0
    loss            (name, options) of a loss of `fcnkit.losses` in place of the last
                    SoftmaxWithLoss of the training net
    overrides       (field, text) pairs: fields of the solver to set, as its file would spell them
    epochs          passes over the training data; sets the number of iterations
    batch_size      images per iteration
    validate        False drops the solver's test nets
    sync_batch_norm  with several devices, BatchNorm layers normalize by the batches of all of them
    precision       "float32", "bfloat16" or "float16": the type in which the nets compute; weights
                    and losses are float32 in any case
    recompute       compute activations twice rather than keep them: less memory, more time
    snapshots       when snapshots are taken, which of them stay, and when the run ends early
    tensorboard     also write TensorBoard's event files, into the output's folder `tensorboard`
    """

    solver: str | os.PathLike[str]
    data: str | os.PathLike[str] | None = None
    augment: Mapping[str, Any] | None = None
    fill: str | None = None
    class_weights: float | None = None
    loss: tuple[str, Mapping[str, Any]] | None = None
    overrides: Sequence[tuple[str, str]] = ()
    epochs: float | None = None
    batch_size: int | None = None
    validate: bool = True
    sync_batch_norm: bool = False
    precision: str = "float32"
    recompute: bool = False
    snapshots: Snapshots = Snapshots()
    tensorboard: bool = False

    def __post_init__(self) -> None:
        for name in ("epochs", "class_weights"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InputError("{option}: expected a number above 0", option=name, value=value)
        if self.batch_size is not None and not 0 < self.batch_size <= MOST_ITERATIONS:
            raise InputError(
                f"{{option}}: expected a number from 1 to {MOST_ITERATIONS}",
                option="batch_size",
                value=self.batch_size,
            )
        if self.fill not in (None, "xavier", "msra"):
            raise InputError("{option}: expected xavier or msra", option="fill", value=self.fill)


class Model(Protocol):
    """A model whose training a run continues: `path` is where it lies."""

    @property
    def path(self) -> str | os.PathLike[str]:
        """The folder or archive that holds it."""

    def open(self, files: str, training: str) -> tuple[str, str]:
        """Return the paths of a solver and of its weights.

        The model is kept in the folder `files`, if it is not there yet, and the solver is written
        into the folder `training`.
        """


@dataclasses.dataclass(frozen=True)
class Start:
    """Where training starts. Without any of these, from the net's fillers.

    weights         a .caffemodel: layers of the same names start from its values; or several, of
                    which later ones replace what earlier ones had
    snapshot        a .solverstate to continue from
    resume          continue from the newest whole snapshot in the output folder; where there is
                    none yet, start as the other two say
    model           a model, such as one of DIGITS, whose training the run continues: it is kept in
                    the output folder, and its weights are those to start from where neither weights
                    nor a snapshot are given
    """

    weights: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None
    snapshot: str | os.PathLike[str] | None = None
    resume: bool = False
    model: Model | None = None

    @property
    def weights_files(self) -> list[str]:
        """The paths of all weights to start from, in order."""
        if self.weights is None:
            return []
        if isinstance(self.weights, (str, os.PathLike)):
            return [os.fspath(self.weights)]
        return [os.fspath(path) for path in self.weights]
