"""Runs jobs on one engine, to be compared with the other: `python -m fcnkit.engine JOBS.json`.

Both engines get the same weights, the same inputs and the same gradients at the outputs, all
derived from the names of the arrays that they fill, so that nothing has to be passed between the
two. Everything that a net or a solver then holds goes into a NumPy archive.
"""

from __future__ import annotations

import json
import os
import sys
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import InputError, printable, read_net, read_solver, write_text
from caffeformat.messages import distinct_layers

from .choice import use_device
from .door import open_net, open_solver
from .loading import copy_weights
from .pycaffe import layer_params

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Union

    from numpy.typing import NDArray

    from caffeformat import pb

    from .pycaffe import Net

    Path = Union[str, os.PathLike[str]]
    Arrays = dict[str, NDArray[Any]]

# Layers whose second bottom holds class indices.
_LABELLED = {
    "SoftmaxWithLoss",
    "Accuracy",
    "HingeLoss",
    "MultinomialLogisticLoss",
    "InfogainLoss",
}


def random_values(name: str, shape: Sequence[int]) -> NDArray[np.float32]:
    """Standard normal float32 array that depends on `name` and `shape` alone."""
    random = np.random.RandomState(zlib.crc32(name.encode()) & 0x7FFFFFFF)
    return random.standard_normal(shape).astype(np.float32)


def fill_parameters(net: Net, message: pb.NetParameter) -> None:
    """Fill the weights with scaled random values; BatchNorm gets plausible statistics."""
    types = {layer.name: layer.type for layer in distinct_layers(message).layer}
    for layer, blobs in layer_params(net).items():
        for index, blob in enumerate(blobs):
            shape = tuple(blob.shape)
            values: NDArray[Any] = random_values(f"{layer}:{index}", shape)
            if types.get(layer) == "BatchNorm":
                values = [values * 0.1, 0.5 + np.abs(values), np.ones(shape)][index]
            else:
                fan = np.prod(shape[1:]) if len(shape) > 1 else 200
                # NumPy 1 would continue in float32, NumPy 2 in float64.
                values = values * np.float32(np.sqrt(2 / fan))
            blob.data[...] = values


def fill_inputs(net: Net, message: pb.NetParameter, turn: int = 0) -> None:
    """Fill the inputs with random values: class indices where a loss or accuracy reads labels."""
    labels = {
        layer.bottom[1]: layer
        for layer in message.layer
        if layer.type in _LABELLED and len(layer.bottom) > 1
    }
    for name in net.inputs:
        blob = net.blobs[name]
        values = random_values(f"{name}@{turn}" if turn else name, tuple(blob.shape))
        if name in labels:
            layer = labels[name]
            axis = (
                layer.accuracy_param.axis if layer.type == "Accuracy" else layer.softmax_param.axis
            )
            classes = net.blobs[layer.bottom[0]].shape[axis]
            values = np.floor(np.abs(values) * 1e4) % classes
        blob.data[...] = values


def run_net(
    path: str,
    phase: str,
    weights: Path | None = None,
    backward: bool = True,
    allow_python: Iterable[str] = (),
) -> Arrays:
    """Run one pass: {key: array} with keys data:BLOB, diff:BLOB, param:LAYER:I, paramdiff:LAYER:I.

    `weights` is a caffemodel; parameters that it does not have are random, the same in each engine.
    """
    message = read_net(path)
    net = open_net(message, phase, allow_python=allow_python, source=path)
    fill_parameters(net, message)
    if weights:
        copy_weights(net, weights)
    fill_inputs(net, message)
    net.forward()
    found = {f"data:{name}": blob.data.copy() for name, blob in net.blobs.items()}
    if backward:
        # A loss starts its own backward pass: only other outputs need a gradient from outside.
        losses = {top for layer in message.layer if "Loss" in layer.type for top in layer.top}
        for name in set(net.outputs) - losses:
            net.blobs[name].diff[...] = random_values("diff of " + name, net.blobs[name].diff.shape)
        net.backward()
        found.update((f"diff:{name}", blob.diff.copy()) for name, blob in net.blobs.items())
    for layer, blobs in layer_params(net).items():
        for index, blob in enumerate(blobs):
            found[f"param:{layer}:{index}"] = blob.data.copy()
            if backward:
                found[f"paramdiff:{layer}:{index}"] = blob.diff.copy()
    return found


def run_solver(
    path: Path,
    steps: int,
    start: Path,
    weights: Path | None = None,
    state: Path | None = None,
    allow_python: Iterable[str] = (),
) -> Arrays:
    """Run `steps` training steps: {key: array} with step:BLOB (one row per step), param:LAYER:I.

    The run starts from `weights`, from the solver state `state`, or from the fillers' values; the
    weights at its start are saved as `start`.
    """
    solver = open_solver(path, allow_python)
    if weights:
        solver.net.copy_from(str(weights))
    if state:
        solver.restore(str(state))
    solver.net.save(str(start))
    message = training_net(path)
    rows: dict[str, list[NDArray[Any]]] = {name: [] for name in solver.net.outputs}
    for turn in range(steps):
        fill_inputs(solver.net, message, turn)
        solver.step(1)
        for name, values in rows.items():
            values.append(solver.net.blobs[name].data.copy().ravel())
    found = {f"step:{name}": np.array(values) for name, values in rows.items()}
    for layer, blobs in layer_params(solver.net).items():
        for index, blob in enumerate(blobs):
            found[f"param:{layer}:{index}"] = blob.data.copy()
    return found


def quiet_solver(path: Path, target: Path) -> None:
    """Write the solver at `path` to `target` without its tests and snapshots."""
    solver = read_solver(path)
    for field in ("test_interval", "test_iter", "test_state", "test_net", "test_net_param"):
        solver.ClearField(field)
    solver.snapshot, solver.snapshot_after_train = 0, False
    write_text(target, solver)


def training_net(path: Path) -> pb.NetParameter:
    """The net that the solver at `path` trains, as a message with the layers of all phases."""
    solver = read_solver(path)
    if solver.HasField("train_net_param"):
        return solver.train_net_param
    if solver.HasField("net_param"):
        return solver.net_param
    return read_net(solver.train_net or solver.net)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the jobs in a JSON file, a list of {"kind", "out" and the arguments of run_<kind>}.

    Returns the exit status. An error also goes to the JSON file with the suffix ".error", as text
    and options of an `InputError`.
    """
    (path,) = sys.argv[1:] if argv is None else argv
    with open(path, encoding="utf-8") as file:
        jobs = json.load(file)
    try:
        use_device()
        for job in jobs:
            kind, out = job.pop("kind"), job.pop("out")
            arrays: dict[str, Any] = {**(run_net(**job) if kind == "net" else run_solver(**job))}
            np.savez(out, **arrays)
    except InputError as error:
        print(printable(error), file=sys.stderr)
        with open(f"{path}.error", "w", encoding="utf-8") as file:
            json.dump([error.text, error.options], file, default=str)
        return 1
    return 0
