"""Runs the same net or solver on BVLC Caffe and on torchcaffe, and compares the results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caffeformat import InputError, pb
from caffeformat.processes import run_module, safe_path_variable
from fcnkit.files import known

from . import runs
from .choice import VARIABLE, has_bvlc
from .differences import largest_absolute, largest_difference

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Union

    from numpy.typing import NDArray

    Path = Union[str, os.PathLike[str]]


class Row(NamedTuple):
    """One array of both engines, and how far the two are apart."""

    kind: str  # `data` or `diff` of a blob, `param` or `paramdiff`, `step`: an output at every step
    name: str
    shape: tuple[int, ...]
    absolute: float  # the largest |difference|
    difference: float  # the largest relative difference, see `largest_difference`
    problem: str  # different shapes, values that are not finite numbers; often ""


_REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def rows_as_data(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """`Row`s as plain data for JSON: infinite differences are None, `problem` says why."""
    return [{key: known(value) for key, value in row._asdict().items()} for row in rows]


def compare_nets(
    paths: Sequence[Path],
    phase: str = "TEST",
    weights: Path | None = None,
    backward: bool = True,
    root: Path | None = None,
    allow_python: Iterable[str] = (),
) -> dict[Path, list[Row]]:
    """Compare one pass through each net: blobs, parameters and, with `backward`, gradients.

    `weights` is a caffemodel; parameters that it does not have are random, and the same in both
    engines. `root` is the folder of a Debian 11 with BVLC Caffe, for machines that do not have it.
    """
    jobs = [
        {
            "kind": "net", "path": os.fspath(path), "phase": phase, "backward": backward,
            "weights": weights and os.fspath(weights), "allow_python": list(allow_python),
        }
        for path in paths
    ]  # fmt: skip
    shared = [*paths, *([weights] if weights else [])]
    with tempfile.TemporaryDirectory(prefix="fcnkit-engines-") as folder:
        for name in ("torch", "bvlc"):
            _run(name, jobs, folder, shared, root)
        return {path: _rows(folder, number) for number, path in enumerate(paths)}


def compare_solvers(
    path: Path,
    steps: int,
    weights: Path | None = None,
    state: Path | None = None,
    root: Path | None = None,
    allow_python: Iterable[str] = (),
) -> list[Row]:
    """Compare a training run of `steps` steps, without the solver's tests and snapshots.

    It starts from the caffemodel `weights` or the solver state `state`, or else from the values of
    torchcaffe's fillers. Nets without data layers get random inputs, the same in both engines;
    `root` as for `compare_nets`.
    """
    with tempfile.TemporaryDirectory(prefix="fcnkit-engines-") as folder:
        quiet, start = (os.path.join(folder, name) for name in ("solver.prototxt", "start"))
        runs.quiet_solver(path, quiet)
        job: dict[str, Any] = {
            "kind": "solver", "path": quiet, "steps": steps, "allow_python": list(allow_python),
            "weights": weights and os.fspath(weights), "state": state and os.fspath(state),
        }  # fmt: skip
        shared = [name for name in (path, weights, state) if name]
        _run("torch", [{**job, "start": f"{start}.caffemodel"}], folder, shared, root)
        if not state:
            job["weights"] = f"{start}.caffemodel"
        _run("bvlc", [{**job, "start": f"{start}.bvlc.caffemodel"}], folder, shared, root)
        return _rows(folder, 0)


def random_layers(net: pb.NetParameter) -> list[str]:
    """Names of the layers that draw random numbers in phase TRAIN; each engine draws its own."""
    found = []
    for layer in net.layer:
        transform = layer.transform_param
        draws = (
            layer.type == "Dropout"
            or transform.mirror
            or transform.crop_size
            or layer.image_data_param.shuffle
            or layer.hdf5_data_param.shuffle
            or layer.data_param.rand_skip
            or layer.pooling_param.pool == pb.PoolingParameter.STOCHASTIC
            or any(f.type != "constant" for f in layer.dummy_data_param.data_filler)
        )
        if draws:
            found.append(layer.name)
    return found


def _rows(folder: str, number: int) -> list[Row]:
    """Compare the archives that job `number` wrote on both engines."""
    files = (os.path.join(folder, f"{name}.{number}.npz") for name in ("torch", "bvlc"))
    with np.load(next(files)) as ours, np.load(next(files)) as theirs:
        rows = []
        for key in dict.fromkeys([*theirs.files, *ours.files]):
            arrays = [archive[key] if key in archive.files else None for archive in (ours, theirs)]
            rows.append(comparison_row(*key.split(":", 1), *arrays))
    return rows


def comparison_row(
    kind: str, name: str, ours: NDArray[Any] | None, theirs: NDArray[Any] | None
) -> Row:
    """The `Row` of one array of torchcaffe and of BVLC Caffe; one of the two may be None."""
    if ours is None or theirs is None:
        lacks = "torchcaffe" if ours is None else "BVLC Caffe"
        shape = next(array.shape for array in (ours, theirs) if array is not None)
        return Row(kind, name, shape, np.inf, np.inf, f"{lacks} has no such array")
    problem = ""
    if ours.shape != theirs.shape:
        problem = f"its shape is {ours.shape} in torchcaffe, {theirs.shape} in BVLC Caffe"
    elif not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        counts = [int((~np.isfinite(array)).sum()) for array in (ours, theirs)]
        problem = (
            f"NaN or infinite, of {ours.size} values: {counts[0]} in torchcaffe, {counts[1]} in "
            "BVLC Caffe"
        )
    found = largest_absolute(ours, theirs), largest_difference(ours, theirs)
    return Row(kind, name, tuple(theirs.shape), *found, problem)


def _run(
    name: str,
    jobs: Sequence[dict[str, Any]],
    folder: str,
    shared: Iterable[Path],
    root: Path | None,
) -> None:
    """Run `jobs` on engine `name` in a separate process; the results go into `folder`.

    `shared` are the files that the process has to see.
    """
    for number, job in enumerate(jobs):
        job["out"] = os.path.join(folder, f"{name}.{number}.npz")
    file = os.path.join(folder, f"{name}.json")
    with open(file, "w", encoding="utf-8") as target:
        json.dump(jobs, target)
    folders = {os.path.dirname(os.path.abspath(path)) for path in shared} | {folder}
    command = [*_python(name, sorted(folders), root), *run_module("fcnkit.engine"), file]
    environment = {**os.environ, VARIABLE: name, "GLOG_minloglevel": "1"}
    environment["PYTHONPATH"] = safe_path_variable()
    process = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if os.path.exists(f"{file}.error"):
        with open(f"{file}.error", encoding="utf-8") as error:
            text, options = json.load(error)
        raise InputError(f"the engine {name!r} failed:\n{text}", options=options)
    if process.returncode:
        last = process.stdout.strip().splitlines()[-25:]
        raise InputError(f"the engine {name!r} failed:\n" + "\n".join(last))


def _python(name: str, folders: Iterable[str], root: Path | None) -> list[str]:
    """The command that starts Python with engine `name`, with access to `folders`."""
    if name == "torch":
        return [sys.executable]
    script = os.path.join(_REPOSITORY, "scripts", "bvlc_run.sh")
    root = root or os.environ.get("FCNKIT_BVLC_ROOT")
    if root is None and has_bvlc():
        return [sys.executable]
    root = root or os.path.join(_REPOSITORY, ".bullseye")
    if not os.path.exists(script) or not os.path.isdir(root):
        raise InputError(
            f"BVLC Caffe is installed neither here nor in {root}: create a folder with it by "
            "scripts/setup_bvlc_caffe.sh of this project's repository, and pass {option}",
            option="root",
        )
    shared = [word for folder in folders for word in ("-b", folder)]
    user_path = filter(None, safe_path_variable().split(os.pathsep))
    modules = [
        _REPOSITORY,
        os.path.join(_REPOSITORY, "berkeley_layers"),
        *map(os.path.abspath, user_path),
    ]
    return [script, *shared, os.fspath(root), "env", f"PYTHONPATH={':'.join(modules)}", "python3"]
