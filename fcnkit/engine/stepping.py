"""Steps a solver, with hooks around each step."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from caffeformat import InputError

from .choice import capabilities, load, name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .pycaffe import Net, Solver

# BVLC Caffe's layers that read data in the order of a file. Those written in Python are told where
# to begin by their `param_str`; on torchcaffe they may have a method `skip_batches`, too.
_READERS = ("Data", "HDF5Data", "ImageData", "WindowData")


class Hooks:
    """What `train` calls around each step; a subclass overrides what it needs."""

    def before_step(self, solver: Solver) -> bool | None:
        """Called before each step, after `solver.iter` of them; a true value ends the run."""

    def after_step(self, solver: Solver) -> bool | None:
        """Called after each step; a true value ends the run."""


def train(solver: Solver, hooks: Hooks, options: Mapping[str, Any]) -> None:
    """Step `solver` until `options["max_iter"]` iterations, with `hooks` around each step.

    `options["seed"]` makes the random numbers of a step (dropout's masks) depend on it and on the
    step's number, so that a run which continues from a snapshot draws what the unbroken one does.

    Every other option names something that pycaffe cannot express and must be among the engine's
    `capabilities()`; otherwise `InputError` names the engine that lacks it.
    """
    options = dict(options)
    max_iter, seed = options.pop("max_iter"), options.pop("seed", None)
    missing = sorted(set(options) - capabilities())
    if missing:
        raise InputError(f"the engine {name()!r} cannot do {', '.join(missing)}")
    while solver.iter < max_iter:
        if hooks.before_step(solver):
            break
        if seed is not None:
            load().set_random_seed(zlib.crc32(f"{seed}:{solver.iter}".encode()) & 0x7FFFFFFF)
        solver.step(1)
        if hooks.after_step(solver):
            break


def skip_batches(net: Net, passes: int) -> set[str]:
    """Let Caffe's data layers in `net` continue as if it had made `passes` passes already.

    To be called before the first pass. torchcaffe steps over the data; BVLC Caffe has to read it.
    Returns the names of the layers that go on.
    """
    going_on: set[str] = set()
    for index, layer in enumerate(net.layers if passes else ()):
        skip = getattr(layer, "skip_batches", None) if name() == "torch" else None
        if skip is not None:
            skip(passes)
        elif name() != "torch" and layer.type in _READERS:
            for _ in range(passes):
                net._forward(index, index)
        else:
            continue
        going_on.add(net._layer_names[index])
    return going_on
