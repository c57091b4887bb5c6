"""The output folder of a training run, as inference reads it: net, weights and input settings.

A deploy net cannot hold the mean and scale of the training net's data layers; `inference.json`
beside it does, together with the names and colours of the classes.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import FormatError, InputError, read_solver
from fcnkit import nets
from fcnkit.files import write_json
from fcnkit.images import IGNORE_LABEL, full_palette
from fcnkit.inference import TrainedNet

from . import snapshots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .run_files import RunFiles

FILE_NAME = "inference.json"


def write_settings(
    folder: str,
    files: RunFiles,
    names: Sequence[str] | None = None,
    palette: NDArray[np.uint8] | None = None,
) -> None:
    """Write `inference.json` for the run of `files`, whose nets are in `folder`."""
    mean, scale = files.input_settings()
    settings = {"mean": mean, "scale": scale, "classes": list(names) if names else None}
    head = nets.head(files.train)
    if head is not None and head.ignore is not None and head.ignore != IGNORE_LABEL:
        settings["ignore"] = head.ignore
    if palette is not None:
        settings["palette"] = np.asarray(palette).tolist()
    write_json(os.path.join(folder, FILE_NAME), settings)


def read_run(folder: str | os.PathLike[str]) -> TrainedNet:
    """Read the trained network in `folder`, an output of `train`, from its newest whole snapshot.

    Raises `InputError` where it is not such a folder or holds no whole snapshot yet, `FormatError`
    for damaged settings.
    """
    folder = os.fspath(folder)
    path = os.path.join(folder, FILE_NAME)
    try:
        with open(path, encoding="utf-8") as file:
            settings = json.load(file)
        mean, scale = settings["mean"], float(settings["scale"])
        names, palette = settings["classes"], settings.get("palette")
        ignore = settings.get("ignore")
        ignore = None if ignore is None else int(ignore)
        mean = None if mean is None else [float(value) for value in mean]
        palette = None if palette is None else full_palette(palette)
    except OSError as error:
        raise InputError(
            f"{folder}: is not an output of train: {path}: {error.strerror}"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(
            path,
            f"is damaged ({error}): pass {{net}}, {{weights}} and {{mean}} instead of the run",
            options={"net": None, "weights": None, "mean": None},
        ) from error
    solver = read_solver(os.path.join(folder, "solver.prototxt"))
    prefix = os.path.join(folder, os.path.basename(solver.snapshot_prefix))
    state, _ = snapshots.newest(prefix, solver)
    if state is None:
        raise InputError(f"{folder}: holds no whole snapshot {os.path.basename(prefix)}_iter_*")
    weights = snapshots.weights_of(state)
    net = os.path.join(folder, "deploy.prototxt")
    return TrainedNet(net, weights, mean, scale, names, palette, ignore)
