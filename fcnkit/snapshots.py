"""Snapshots of a training: which there are, which of them are whole, and going on from one."""

import glob
import os
import re
import tempfile

from caffeformat import InputError, read_caffemodel, read_solver_state, write_solver_state

from .weights import compare_weights

_STATE = re.compile(r"_iter_(\d+)\.solverstate(\.h5)?$")


def paths(prefix, iteration, hdf5=False):
    """(weights, solver state): the files that Caffe writes for `prefix` after `iteration` steps."""
    ending = ".h5" if hdf5 else ""
    stem = f"{prefix}_iter_{iteration}"
    return f"{stem}.caffemodel{ending}", f"{stem}.solverstate{ending}"


def files(prefix):
    """All snapshot files of `prefix`, weights and states."""
    stem = glob.escape(prefix) + "_iter_*"
    return sorted(
        path
        for path in glob.glob(stem)
        if re.search(r"_iter_\d+\.(caffemodel|solverstate)(\.h5)?$", path)
    )


def iteration_of(state_path):
    """The number of steps in a solver state's name, or None."""
    found = _STATE.search(state_path)
    return int(found.group(1)) if found else None


def newest(prefix):
    """The newest snapshot of `prefix` that is whole: (state path or None, broken state paths).

    A killed engine may leave half a file; a snapshot counts only where both its files can be read.
    """
    states = [path for path in files(prefix) if _STATE.search(path)]
    broken = []
    for path in sorted(states, key=iteration_of, reverse=True):
        try:
            read_caffemodel(weights_of(path))
            return path, broken
        except InputError:
            broken.append(path)
    return None, broken


def weights_of(state_path):
    """The weights file that the solver state at `state_path` belongs to.

    That is the one of the name it gives, beside it (so folders may move) or where it says. Raises
    `InputError` where there is neither.
    """
    state = read_solver_state(state_path)
    beside = os.path.join(
        os.path.dirname(os.path.abspath(state_path)), os.path.basename(state.learned_net)
    )
    for path in (beside, os.path.abspath(state.learned_net)):
        if state.learned_net and os.path.isfile(path):
            return path
    raise InputError(
        f"{state_path}: its weights {state.learned_net or '(not named)'} are not there, nor beside "
        "it: a solver state continues only together with its .caffemodel"
    )


def read_iteration(state_path):
    """The number of steps done, as the solver state at `state_path` says."""
    return read_solver_state(state_path).iter


def restore(solver, state_path):
    """Continue `solver` from the solver state at `state_path` and the weights it belongs to.

    Returns the number of steps done. Raises `InputError` for damaged or missing files and for
    weights that do not fit the net.
    """
    state = read_solver_state(state_path)
    weights = weights_of(state_path)
    compare_weights(solver.net, weights)
    if os.path.abspath(state.learned_net) == weights:
        solver.restore(os.path.abspath(state_path))
    else:
        # The folder was moved: the engine gets a copy of the state that names the weights' place.
        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, os.path.basename(state_path))
            state.learned_net = weights
            write_solver_state(copy, state)
            solver.restore(copy)
    return solver.iter
