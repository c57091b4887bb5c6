"""Settings of a training run: a `Recipe` (what to train, on what) and a `Start` (from where)."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A solver, its data, and what to change in both before training.

    solver          path of a solver.prototxt
    data            dataset folder for data layers that name no source of their own
    augment         options of SegmentationData (scale, crop, flip, ...), which then replaces the
                    Data layers
    fill            "xavier" or "msra": fills layers that would start at zero
    class_weights   weighs the loss by median-frequency class weights raised to this power
    loss            (name, options) of a loss of `fcnkit.losses` in place of the last
                    SoftmaxWithLoss of the training net
    overrides       (field, text) pairs: fields of the solver to set, as its file would spell them
    epochs          passes over the training data; sets the number of iterations
    batch_size      images per iteration
    validate        False drops the solver's test nets
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


@dataclasses.dataclass(frozen=True)
class Start:
    """Where training starts. Without any of these, from the net's fillers.

    weights         a .caffemodel: layers of the same names start from its values
    snapshot        a .solverstate to continue from
    resume          continue from the newest whole snapshot in the output folder; where there is
                    none yet, start as the other two say
    """

    weights: str | os.PathLike[str] | None = None
    snapshot: str | os.PathLike[str] | None = None
    resume: bool = False
