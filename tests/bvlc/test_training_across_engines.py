"""A run begun in one engine goes on in the other from its snapshot as if never broken."""

import shutil

import numpy as np
import pytest
from places import GOLDEN

from caffeformat import pb, read_solver, read_solver_state, write_text

pytest.importorskip("torch")
pytestmark = pytest.mark.bvlc

RUNS = GOLDEN / "training"
# The runs that BVLC Caffe made without a break: every solver type, every learning rate policy,
# accumulation, clipping, L1, BatchNorm.
NAMES = sorted(path.name for path in RUNS.iterdir())


def broken_run(train_on, folder, name, first, second, snapshot_format="BINARYPROTO"):
    """Losses of 10 steps on engine `first` and of 10 more on `second`; leaves snapshots."""
    run = RUNS / name
    shutil.copy(run / "net.prototxt", folder)
    solver = read_solver(run / "solver.prototxt")
    solver.snapshot_prefix = "snap"
    solver.snapshot_format = pb.SolverParameter.SnapshotFormat.Value(snapshot_format)
    write_text(folder / "solver.prototxt", solver)
    ending = ".h5" if snapshot_format == "HDF5" else ""
    pairs = ["--pairs", run / "data.npz"]
    begin = [*pairs, "--weights", run / "start.caffemodel"]
    go_on = [*pairs, "--state", f"snap_iter_10.solverstate{ending}"]
    begun = train_on(first, folder, "solver.prototxt", 10, *begin)
    return begun, train_on(second, folder, "solver.prototxt", 10, *go_on)


def assert_unbroken(name, begun, ended):
    with np.load(RUNS / name / "trace.npz") as trace:
        unbroken = trace["loss"]
    np.testing.assert_allclose(begun, unbroken[:10], rtol=1e-4)
    np.testing.assert_allclose(ended, unbroken[10:], rtol=1e-2)


@pytest.mark.parametrize("first, second", [("bvlc", "torch"), ("torch", "bvlc")])
@pytest.mark.parametrize("name", NAMES)
def test_losses_are_those_of_the_unbroken_run(train_on, tmp_path, name, first, second):
    assert_unbroken(name, *broken_run(train_on, tmp_path, name, first, second))


@pytest.mark.parametrize("first, second", [("bvlc", "torch"), ("torch", "bvlc")])
@pytest.mark.parametrize("name", ["adam", "sgd_multistep"])
def test_hdf5_snapshots_carry_a_run_over_as_well(train_on, tmp_path, name, first, second):
    assert_unbroken(name, *broken_run(train_on, tmp_path, name, first, second, "HDF5"))
    state = read_solver_state(tmp_path / "snap_iter_20.solverstate.h5")
    assert (state.iter, state.learned_net) == (20, "snap_iter_20.caffemodel.h5")


def test_every_solver_type_is_among_the_runs():
    types = {read_solver(RUNS / name / "solver.prototxt").type for name in NAMES}
    assert types == {"SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"}
