"""What is run on each engine when two are compared: `python -m fcnkit.engine_runs JOB.json`.

Both get the same weights, the same inputs and the same gradients at the outputs, all from the names
of what they fill, so that nothing has to travel between the two. Everything that a net or a solver
then holds goes into a NumPy archive.
"""

import json
import os
import sys
import zlib

import numpy as np

from caffeformat import InputError, read_net, read_solver, write_text
from fcnkit import engine
from fcnkit.weights import copy_weights

# Layers whose second bottom holds class indices.
_LABELLED = {
    "SoftmaxWithLoss",
    "Accuracy",
    "HingeLoss",
    "MultinomialLogisticLoss",
    "InfogainLoss",
}


def random_values(name, shape):
    """Standard normal float32 array that depends on `name` and `shape` alone."""
    random = np.random.RandomState(zlib.crc32(name.encode()) & 0x7FFFFFFF)
    return random.standard_normal(shape).astype(np.float32)


def fill_parameters(net, message):
    """Scaled random weights; BatchNorm gets statistics that it could have gathered."""
    types = {layer.name: layer.type for layer in message.layer}
    for layer, blobs in net.params.items():
        for index, blob in enumerate(blobs):
            shape = tuple(blob.shape)
            values = random_values(f"{layer}:{index}", shape)
            if types.get(layer) == "BatchNorm":
                values = [values * 0.1, 0.5 + np.abs(values), np.ones(shape)][index]
            else:
                fan = np.prod(shape[1:]) if len(shape) > 1 else 200
                # NumPy 1 would go on in float32, NumPy 2 in float64.
                values = values * np.float32(np.sqrt(2 / fan))
            blob.data[...] = values


def fill_inputs(net, message, turn=0):
    """Random inputs: integers below the number of classes where a loss or accuracy reads labels."""
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


def run_net(path, phase, weights=None, backward=True, allow_python=()):
    """{key: array} of one pass: data:BLOB, diff:BLOB, param:LAYER:I, paramdiff:LAYER:I.

    `weights` is a caffemodel; parameters that it does not have are random, the same in each engine.
    """
    message = read_net(path)
    net = engine.open_net(path, phase, allow_python=allow_python)
    fill_parameters(net, message)
    if weights:
        copy_weights(net, weights)
    fill_inputs(net, message)
    net.forward()
    found = {f"data:{name}": blob.data.copy() for name, blob in net.blobs.items()}
    if backward:
        # A loss starts its own backward: only other outputs want a gradient from outside.
        losses = {top for layer in message.layer if "Loss" in layer.type for top in layer.top}
        for name in set(net.outputs) - losses:
            net.blobs[name].diff[...] = random_values("diff of " + name, net.blobs[name].diff.shape)
        net.backward()
        found.update((f"diff:{name}", blob.diff.copy()) for name, blob in net.blobs.items())
    for layer, blobs in net.params.items():
        for index, blob in enumerate(blobs):
            found[f"param:{layer}:{index}"] = blob.data.copy()
            if backward:
                found[f"paramdiff:{layer}:{index}"] = blob.diff.copy()
    return found


def run_solver(path, steps, start, weights=None, state=None, allow_python=()):
    """{key: array} of `steps` training steps: step:BLOB of the outputs (one row a step), param:...

    It begins with `weights`, with the solver state `state`, or with what the fillers give, and the
    weights that it begins with are saved as `start`.
    """
    solver = engine.open_solver(path, allow_python)
    if weights:
        solver.net.copy_from(str(weights))
    if state:
        solver.restore(str(state))
    solver.net.save(str(start))
    message = training_net(path)
    rows = {name: [] for name in solver.net.outputs}
    for turn in range(steps):
        fill_inputs(solver.net, message, turn)
        solver.step(1)
        for name, values in rows.items():
            values.append(solver.net.blobs[name].data.copy().ravel())
    found = {f"step:{name}": np.array(values) for name, values in rows.items()}
    for layer, blobs in solver.net.params.items():
        for index, blob in enumerate(blobs):
            found[f"param:{layer}:{index}"] = blob.data.copy()
    return found


def quiet_solver(path, target):
    """Write the solver at `path` to `target` without its tests and snapshots."""
    solver = read_solver(path)
    for field in ("test_interval", "test_iter", "test_state", "test_net", "test_net_param"):
        solver.ClearField(field)
    solver.snapshot, solver.snapshot_after_train = 0, False
    write_text(target, solver)


def training_net(path):
    """The net that the solver at `path` trains, as a message with the layers of all phases."""
    solver = read_solver(path)
    for field in ("train_net_param", "net_param"):
        if solver.HasField(field):
            return getattr(solver, field)
    return read_net(solver.train_net or solver.net)


def main(argv=None):
    """Run the jobs of a JSON file: a list of {"kind", "out" and the arguments of run_<kind>}.

    Returns the exit status.
    """
    (path,) = sys.argv[1:] if argv is None else argv
    with open(path, encoding="utf-8") as file:
        jobs = json.load(file)
    try:
        engine.use_device()
        for job in jobs:
            run = {"net": run_net, "solver": run_solver}[job.pop("kind")]
            out = job.pop("out")
            np.savez(out, **run(**job))
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    # The working folder, which `-m` puts first, may hold modules that came with a net and are
    # called like those whose layers run unasked.
    if sys.path[0] in ("", os.getcwd()):
        del sys.path[0]
    sys.exit(main())
