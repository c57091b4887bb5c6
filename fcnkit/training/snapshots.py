"""Snapshots of a training run: listing them, finding the newest whole one, continuing from one."""

from __future__ import annotations

import glob
import os
import re
import tempfile
from typing import TYPE_CHECKING

from caffeformat import InputError, pb, read_caffemodel, read_solver_state, write_solver_state
from fcnkit.engine import compare_weights

if TYPE_CHECKING:
    from fcnkit.engine import Solver

    Path = str | os.PathLike[str]

# Solvers that keep two arrays per blob (gradients and updates, or two moments), as Caffe does
_TWO_HISTORIES = ("AdaDelta", "Adam")
_STATE = re.compile(r"_iter_(\d+)\.solverstate(\.h5)?$")
_WEIGHTS = re.compile(r"_iter_(\d+)\.caffemodel(\.h5)?$")
_FILE = re.compile(r"_iter_\d+\.(caffemodel|solverstate)(\.h5)?")

# Beside the snapshots: the weights with the best mean IoU of the validation images.
_BEST = "_best.caffemodel"


def paths(prefix: str, iteration: int, hdf5: bool = False) -> tuple[str, str]:
    """Return (weights, solver state): the files Caffe writes for `prefix` after that iteration."""
    ending = ".h5" if hdf5 else ""
    stem = f"{prefix}_iter_{iteration}"
    return f"{stem}.caffemodel{ending}", f"{stem}.solverstate{ending}"


def written(solver: pb.SolverParameter, iteration: int) -> tuple[str, str]:
    """Return (weights, solver state) that `solver` writes after that iteration."""
    hdf5 = solver.snapshot_format == pb.SolverParameter.HDF5
    return paths(solver.snapshot_prefix, iteration, hdf5)


def files(prefix: str) -> list[str]:
    """Return all snapshot files of `prefix`, weights and states."""
    found = glob.glob(glob.escape(prefix) + "_iter_*")
    return sorted(path for path in found if _FILE.fullmatch(path[len(prefix) :]))


def iterations(prefix: str) -> list[int]:
    """Return the iterations of which there are weights of `prefix`, in order."""
    found = (_WEIGHTS.search(path) for path in files(prefix))
    return sorted({int(match.group(1)) for match in found if match})


def best_path(prefix: str) -> str:
    """Return the path of the best weights of the run with the snapshots of `prefix`."""
    return prefix + _BEST


def newest(prefix: str, solver: pb.SolverParameter) -> tuple[str | None, list[str]]:
    """Find the newest whole snapshot of `prefix`: (state path or None, broken state paths).

    An engine that was killed may leave half a file: only what `is_whole` counts.
    """
    found = [(_STATE.search(path), path) for path in files(prefix)]
    states = [(int(match.group(1)), path) for match, path in found if match]
    broken: list[str] = []
    for _, path in sorted(states, key=lambda state: state[0], reverse=True):
        if is_whole(path, solver):
            return path, broken
        broken.append(path)
    return None, broken


def is_whole(state_path: Path, solver: pb.SolverParameter) -> bool:
    """Whether both files of the snapshot with the solver state at `state_path` can be read.

    Weights that end between two layers can be read, too: they have to hold as many blobs as
    `solver` keeps histories for.
    """
    per_blob = 2 if solver.type in _TWO_HISTORIES else 1
    try:
        weights = read_caffemodel(weights_of(state_path))
        histories = read_solver_state(state_path).history
    except InputError:
        return False
    # Layers that share a blob each hold it, so there may be more than histories.
    return sum(map(len, weights.values())) * per_blob >= len(histories)


def weights_of(state_path: Path) -> str:
    """Return the path of the weights file that the solver state at `state_path` belongs to.

    A file of the name that the state holds is looked for beside the state first (so folders may
    move), then where the state says. Raises `InputError` where there is neither.
    """
    state = read_solver_state(state_path)
    beside = os.path.join(
        os.path.dirname(os.path.abspath(state_path)), os.path.basename(state.learned_net)
    )
    for path in (beside, os.path.abspath(state.learned_net)):
        if state.learned_net and os.path.isfile(path):
            return path
    raise InputError(
        f"{state_path}: its weights {state.learned_net or '(not named)'} are neither there nor "
        "beside it: training can only continue from a solver state and its .caffemodel together"
    )


def read_iteration(state_path: Path) -> int:
    """Return the number of iterations done according to the solver state at `state_path`."""
    return read_solver_state(state_path).iter


def restore(solver: Solver, state_path: Path) -> int:
    """Continue `solver` from the solver state at `state_path` and the weights it belongs to.

    Returns the number of iterations done. Raises `InputError` for damaged or missing files and for
    weights that do not fit the net.
    """
    state = read_solver_state(state_path)
    weights = weights_of(state_path)
    compare_weights(solver.net, weights)
    if os.path.abspath(state.learned_net) == weights:
        solver.restore(os.path.abspath(state_path))
    else:
        # The folder was moved: the engine gets a copy of the state that names the weights' path.
        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, os.path.basename(state_path))
            state.learned_net = weights
            write_solver_state(copy, state)
            solver.restore(copy)
    return solver.iter
