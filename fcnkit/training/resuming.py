"""Continuing in the data: a run resumed at an iteration reads what the unbroken run would read.

Layers written in Python are told where to begin before the nets are written; Caffe's own layers
step over their data once the engine has opened them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fcnkit import engine, nets
from fcnkit.datasets import (
    DatasetFolder,
    augmentation_from,
    is_berkeley,
    is_segmentation_data,
    options_of,
    set_options,
    start_berkeley,
)

if TYPE_CHECKING:
    from caffeformat import pb
    from fcnkit.engine import Solver

    from .run_files import RunFiles


def start_python_layers(files: RunFiles, iteration: int, rank: int = 0, solvers: int = 1) -> None:
    """Let the project's Python data layers begin where `iteration` iterations have left them.

    With several `solvers`, all of them together: in training each of them makes every pass, tests
    are shared out. What number `rank` of them begins with is counted from `start` on.
    """
    passes = passes_before(files, iteration)
    for net, count in zip([files.train, *files.tests], passes):
        in_turn = solvers if net is files.train else 1
        if net is not files.train:
            count = max(0, math.ceil((count - rank) / solvers)) * solvers
        for layer in nets.data_layers(net):
            if is_segmentation_data(layer):
                set_options(layer, start=_samples_used(layer, count, in_turn))
            elif is_berkeley(layer):
                start_berkeley(layer, count * in_turn)


def skip_batches(solver: Solver, files: RunFiles) -> list[str]:
    """Let all other data layers continue where the iterations that `solver` has taken left them.

    Returns notes on those that cannot, which only their own code could tell where to begin.
    """
    passes = passes_before(files, solver.iter)
    opened, messages = [solver.net, *solver.test_nets], [files.train, *files.tests]
    strangers: dict[str, None] = {}
    for net, message, count in zip(opened, messages, passes):
        going_on = engine.skip_batches(net, count)
        for layer in nets.data_layers(message):
            is_ours = is_segmentation_data(layer) or is_berkeley(layer)
            if layer.type == "Python" and count and not is_ours and layer.name not in going_on:
                strangers[layer.name] = None
    return [
        f"layer {name} starts its data over: only its own code decides where it begins, so the "
        "weights will differ from those of an unbroken run"
        for name in strangers
    ]


def _samples_used(layer: pb.LayerParameter, passes: int, solvers: int = 1) -> int:
    """How many samples SegmentationData layers of so many solvers have handed out after passes."""
    options = options_of(layer)
    batch = int(options.get("batch_size", 1)) * solvers
    if augmentation_from(options) is not None or batch == 1:
        return passes * batch
    # Whole images: a batch ends where a round does.
    with DatasetFolder(options["source"]) as dataset:
        images = dataset.count(options.get("split", "train")) or 1
    rounds, rest = divmod(passes, math.ceil(images / batch))
    return rounds * images + rest * batch


def passes_before(files: RunFiles, iteration: int) -> list[int]:
    """How many passes the training net and each test net have made before that iteration."""
    solver: pb.SolverParameter = files.solver
    interval, tests = solver.test_interval, 0
    if files.tests and interval and iteration:
        # A test is made before its iteration, the first one only with test_initialization.
        tests = math.ceil(iteration / interval) - (not solver.test_initialization)
    per_test = [max(1, count) for count in solver.test_iter]
    return [iteration * solver.iter_size, *(tests * count for count in per_test)]
