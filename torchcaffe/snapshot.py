"""Snapshots: weights and solver state under Caffe's names, and restoring from them."""

import os

import numpy as np

from caffeformat import (
    InputError,
    SolverState,
    pb,
    read_solver_state,
    write_solver_state,
)

from . import log

_FORMATS = {
    pb.SolverParameter.BINARYPROTO: ("", "binary proto"),
    pb.SolverParameter.HDF5: (".h5", "HDF5"),
}


def require_writable(prefix):
    """Raise `InputError` where no snapshot could be written under `prefix`."""
    folder = os.path.dirname(prefix)
    if folder and not os.path.isdir(folder):
        raise InputError(
            f"no snapshot can be written: there is no folder {folder}; make it, or change "
            "snapshot_prefix."
        )
    if not os.access(folder or ".", os.W_OK):
        raise InputError(
            f"no snapshot can be written: the folder {folder or '.'} is not yours to write in; "
            "change snapshot_prefix."
        )


def write_snapshot(solver):
    """Write `<prefix>_iter_<n>.caffemodel` and `.solverstate` of a Solver; returns both paths."""
    ending, kind = _FORMATS[solver.param.snapshot_format]
    stem = f"{solver.param.snapshot_prefix}_iter_{solver.iter}"
    model, state = f"{stem}.caffemodel{ending}", f"{stem}.solverstate{ending}"
    require_writable(model)
    log.info("solver.cpp:447", f"Snapshotting to {kind} file {model}")
    solver.net.save(model)
    log.info("sgd_solver.cpp:273", f"Snapshotting solver state to {kind} file {state}")
    write_solver_state(
        state,
        SolverState(
            iter=solver.iter,
            current_step=solver.current_step,
            learned_net=model,
            history=[tensor.cpu().numpy() for tensor in solver.optimizer.history],
        ),
    )
    return model, state


def restore_snapshot(solver, path):
    """Bring a Solver to where the solver state at `path` was written, weights included.

    The weights are looked for where the state says, then beside the state.
    """
    state = read_solver_state(path)
    if state.learned_net:
        solver.net.copy_from(_find_weights(path, state.learned_net))
    history = solver.optimizer.history
    if len(state.history) != len(history):
        raise InputError(
            f"{path}: holds {len(state.history)} history blobs, but this solver has "
            f"{len(history)}: it is of another net, or of another solver type than "
            f"{solver.optimizer.rule.type}."
        )
    for index, (tensor, array) in enumerate(zip(history, state.history)):
        if tuple(tensor.shape) != array.shape:
            raise InputError(
                f"{path}: history blob {index} has shape {array.shape}, but the parameter's is "
                f"{tuple(tensor.shape)}: it is of another net."
            )
        values = np.array(array, dtype=np.float32)
        tensor.copy_(tensor.new_tensor(values) if values.ndim else tensor.new_tensor(float(values)))
    solver.iter = state.iter
    log.info("sgd_solver.cpp:320", f"SGDSolver: restoring history from {path}")


def _find_weights(path, learned_net):
    beside = os.path.join(os.path.dirname(os.fspath(path)), os.path.basename(learned_net))
    for candidate in (learned_net, beside):
        if os.path.exists(candidate):
            return candidate
    raise InputError(
        f"{path}: its weights, {learned_net}, are neither there nor beside it; put them back or "
        "load them with --weights and start anew."
    )
