"""The same net or training on BVLC Caffe and on torchcaffe, and how far apart they come out."""

import collections
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

from caffeformat import InputError, pb
from fcnkit import engine, engine_runs
from fcnkit.differences import largest_absolute, largest_difference
from fcnkit.reports import known

Row = collections.namedtuple("Row", "kind name shape absolute difference problem")
Row.__doc__ = """One array of both engines: what it is (`data` or `diff` of a blob, `param` or
`paramdiff`, `step`: an output in every step), its name, its shape, the largest |difference| and the
largest relative one (see `largest_difference`), and a `problem` in words, often "": that the
shapes differ, or that there are values in it which are no finite numbers."""

_REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def as_data(rows):
    """`Row`s as plain data for JSON: None where a difference is infinite; `problem` says why."""
    return [{key: known(value) for key, value in row._asdict().items()} for row in rows]


def compare_nets(paths, phase="TEST", weights=None, backward=True, root=None, allow_python=()):
    """{path: list of `Row`} of one pass through each net, of its blobs, parameters and gradients.

    `weights` is a caffemodel; parameters that it does not have are random, and the same in both.
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


def compare_solvers(path, steps, weights=None, state=None, root=None, allow_python=()):
    """List of `Row` of a training of `steps` steps; tests and snapshots of the solver are left out.

    It begins with the caffemodel `weights` or the solver state `state`; without them with what
    torchcaffe's fillers give. Nets without data layers get random inputs, the same in both.
    """
    with tempfile.TemporaryDirectory(prefix="fcnkit-engines-") as folder:
        quiet, start = (os.path.join(folder, name) for name in ("solver.prototxt", "start"))
        engine_runs.quiet_solver(path, quiet)
        job = {
            "kind": "solver", "path": quiet, "steps": steps, "allow_python": list(allow_python),
            "weights": weights and os.fspath(weights), "state": state and os.fspath(state),
        }  # fmt: skip
        shared = [name for name in (path, weights, state) if name]
        _run("torch", [{**job, "start": f"{start}.caffemodel"}], folder, shared, root)
        if not state:
            job["weights"] = f"{start}.caffemodel"
        _run("bvlc", [{**job, "start": f"{start}.bvlc.caffemodel"}], folder, shared, root)
        return _rows(folder, 0)


def random_layers(net):
    """Names of layers that draw random numbers, of which the engines have different ones.

    `net` is a NetParameter; layers count that do so in the phase TRAIN.
    """
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


def _rows(folder, number):
    """`Row`s of the archives that job `number` left for both engines."""
    files = (os.path.join(folder, f"{name}.{number}.npz") for name in ("torch", "bvlc"))
    with np.load(next(files)) as ours, np.load(next(files)) as theirs:
        rows = []
        for key in dict.fromkeys([*theirs.files, *ours.files]):
            arrays = [archive[key] if key in archive.files else None for archive in (ours, theirs)]
            rows.append(comparison_row(*key.split(":", 1), *arrays))
    return rows


def comparison_row(kind, name, ours, theirs):
    """The `Row` of one array of torchcaffe's and of BVLC Caffe's, of which one may be None."""
    if ours is None or theirs is None:
        lacks = "torchcaffe" if ours is None else "BVLC Caffe"
        shape = (theirs if ours is None else ours).shape
        return Row(kind, name, tuple(shape), np.inf, np.inf, f"{lacks} has no such array")
    problem = ""
    if ours.shape != theirs.shape:
        problem = f"its shape is {ours.shape} in torchcaffe, {theirs.shape} in BVLC Caffe"
    elif not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        counts = [int((~np.isfinite(array)).sum()) for array in (ours, theirs)]
        problem = (
            f"of {ours.size} values NaN or infinite: {counts[0]} in torchcaffe, {counts[1]} in "
            "BVLC Caffe"
        )
    found = largest_absolute(ours, theirs), largest_difference(ours, theirs)
    return Row(kind, name, tuple(theirs.shape), *found, problem)


def _run(name, jobs, folder, shared, root):
    """Run `jobs` on engine `name` in a process of its own, results into `folder`."""
    for number, job in enumerate(jobs):
        job["out"] = os.path.join(folder, f"{name}.{number}.npz")
    file = os.path.join(folder, f"{name}.json")
    with open(file, "w", encoding="utf-8") as target:
        json.dump(jobs, target)
    folders = {os.path.dirname(os.path.abspath(path)) for path in shared} | {folder}
    command = [*_python(name, sorted(folders), root), "-m", "fcnkit.engine_runs", file]
    environment = {**os.environ, engine.VARIABLE: name, "GLOG_minloglevel": "1"}
    process = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if process.returncode:
        said = process.stdout.strip().splitlines()[-25:]
        raise InputError(f"the engine {name!r} failed:\n" + "\n".join(said))


def _python(name, folders, root):
    """The command that starts Python with engine `name`, `folders` at hand."""
    if name == "torch":
        return [sys.executable]
    script = os.path.join(_REPOSITORY, "scripts", "bvlc_run.sh")
    root = root or os.environ.get("FCNKIT_BVLC_ROOT")
    if root is None and engine.has_bvlc():
        return [sys.executable]
    root = root or os.path.join(_REPOSITORY, ".bullseye")
    if not os.path.exists(script) or not os.path.isdir(root):
        raise InputError(
            f"BVLC Caffe is neither installed here nor in {root}: make a folder with it by "
            "scripts/setup_bvlc_caffe.sh of this project's repository, and name it with --root"
        )
    shared = [word for folder in folders for word in ("-b", folder)]
    given = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    modules = [
        _REPOSITORY,
        os.path.join(_REPOSITORY, "berkeley_layers"),
        *map(os.path.abspath, given),
    ]
    return [script, *shared, root, "env", f"PYTHONPATH={':'.join(modules)}", "python3"]
