"""Training runs that BVLC Caffe 1.0 made: the loss of each step, and resuming half-way."""

import os

import numpy as np
import pytest
from places import GOLDEN

import torchcaffe

pytestmark = pytest.mark.both_modes(slow_on_gpu=True)

RUNS = sorted((GOLDEN / "training").iterdir())
HALF = 10


@pytest.fixture(params=RUNS, ids=lambda path: path.name)
def run(request):
    return request.param


def _solver(run):
    solver = torchcaffe.get_solver(os.fspath(run / "solver.prototxt"))
    return solver, np.load(run / "data.npz"), np.load(run / "trace.npz")["loss"]


def _losses(solver, data, steps):
    losses = []
    for i in range(steps.start, steps.stop):
        for name in ("data", "label"):
            solver.net.blobs[name].data[...] = data[name][i % len(data[name])]
        solver.step(1)
        losses.append(float(solver.net.blobs["loss"].data))
    return np.array(losses)


@pytest.mark.quick_cases(8)
def test_losses_are_those_of_caffe(run):
    solver, data, expected = _solver(run)
    solver.net.copy_from(run / "start.caffemodel")
    losses = _losses(solver, data, range(0, len(expected)))
    np.testing.assert_allclose(losses[:HALF], expected[:HALF], rtol=1e-4)
    np.testing.assert_allclose(losses, expected, rtol=1e-2)


@pytest.mark.quick_cases(8)
def test_run_restored_from_a_solver_state_goes_on_as_in_caffe(run):
    solver, data, expected = _solver(run)
    solver.restore(run / "snap_iter_10.solverstate")
    assert solver.iter == HALF
    losses = _losses(solver, data, range(HALF, len(expected)))
    np.testing.assert_allclose(losses[:5], expected[HALF:][:5], rtol=1e-4)
    np.testing.assert_allclose(losses, expected[HALF:], rtol=1e-2)
