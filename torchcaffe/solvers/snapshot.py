"""Snapshots: weights and solver state under Caffe's names, and restoring from them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from caffeformat import (
    InputError,
    SolverState,
    pb,
    printable,
    read_solver_state,
    write_solver_state,
)
from torchcaffe import log

if TYPE_CHECKING:
    from torchcaffe.nets import Net

    from .optimizer import Optimizer

_FORMATS = {
    pb.SolverParameter.BINARYPROTO: ("", "binary proto"),
    pb.SolverParameter.HDF5: (".h5", "HDF5"),
}


def require_writable(prefix: str) -> None:
    """Raise `InputError` if no snapshot could be written under `prefix`."""
    folder = os.path.dirname(prefix)
    if folder and not os.path.isdir(folder):
        raise InputError(
            f"no snapshot can be written: there is no folder {folder}; create it, or change "
            "snapshot_prefix."
        )
    if not os.access(folder or ".", os.W_OK):
        raise InputError(
            f"no snapshot can be written: you have no permission to write in the folder "
            f"{folder or '.'}; change snapshot_prefix."
        )


def write_snapshot(
    param: pb.SolverParameter, net: Net, optimizer: Optimizer, state: SolverState
) -> tuple[str, str]:
    """Write `<prefix>_iter_<n>.caffemodel` and `.solverstate`; returns both paths.

    `state` lacks only the name of the weights and the history. Raises `InputError` if the folder is
    missing or not writable.
    """
    ending, kind = _FORMATS[param.snapshot_format]
    stem = f"{param.snapshot_prefix}_iter_{state.iter}"
    model, path = f"{stem}.caffemodel{ending}", f"{stem}.solverstate{ending}"
    require_writable(model)
    log.info("solver.cpp:447", f"Snapshotting to {kind} file {model}")
    net.save(model)
    log.info("sgd_solver.cpp:273", f"Snapshotting solver state to {kind} file {path}")
    state.learned_net = model
    state.history = [tensor.cpu().numpy() for tensor in optimizer.history]
    write_solver_state(path, state)
    return model, path


def restore_snapshot(path: str | os.PathLike[str], net: Net, optimizer: Optimizer) -> SolverState:
    """Restore weights and history from the solver state at `path`; returns the state.

    The weights are looked for where the state says, then beside the state. Raises `InputError` if
    they are in neither place, or the state was written for another net or solver type.
    """
    state = read_solver_state(path)
    if state.learned_net:
        net.copy_from(_find_weights(path, state.learned_net))
    history = optimizer.history
    if len(state.history) != len(history):
        raise InputError(
            f"{path}: holds {len(state.history)} history blobs, but this solver has "
            f"{len(history)}; it was written for another net, or by another type of solver than "
            f"{optimizer.rule.type}."
        )
    for index, (tensor, array) in enumerate(zip(history, state.history)):
        # Releases before 2015 wrote four axes for everything.
        four_axes = (1,) * (4 - tensor.ndim) + tuple(tensor.shape)
        if array.shape not in (tuple(tensor.shape), four_axes):
            raise InputError(
                f"{path}: history blob {index} has shape {array.shape}, but the parameter has "
                f"{tuple(tensor.shape)}; it was written for another net."
            )
        values = np.array(array, dtype=np.float32).reshape(tuple(tensor.shape))
        tensor.copy_(tensor.new_tensor(values) if values.ndim else tensor.new_tensor(float(values)))
    log.info("sgd_solver.cpp:320", f"SGDSolver: restoring history from {path}")
    return state


def _find_weights(path: str | os.PathLike[str], learned_net: str) -> str:
    beside = os.path.join(os.path.dirname(os.fspath(path)), os.path.basename(learned_net))
    for candidate in (learned_net, beside):
        if os.path.exists(candidate):
            return candidate
    raise InputError(
        f"{path}: its weights, {printable(learned_net)}, are neither there nor beside it; put them "
        "back, or start a new run from weights of your own."
    )
