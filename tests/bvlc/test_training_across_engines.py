"""A run begun in one engine goes on in the other from its snapshot as if never broken."""

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.full


def sgd_runs():
    return sorted((Path(__file__).parents[1] / "golden/training").glob("sgd_*"))


@pytest.mark.parametrize("first, second", [("bvlc", "torch"), ("torch", "bvlc")])
@pytest.mark.parametrize("run", sgd_runs(), ids=lambda run: run.name)
def test_losses_are_those_of_the_unbroken_run(train_on, tmp_path, run, first, second):
    for name in ("net.prototxt", "solver.prototxt"):
        shutil.copy(run / name, tmp_path)
    pairs = ["--pairs", run / "data.npz"]
    start = ["--weights", run / "start.caffemodel"]
    state = ["--state", "snap_iter_10.solverstate"]
    begun = train_on(first, tmp_path, "solver.prototxt", 10, *pairs, *start)
    ended = train_on(second, tmp_path, "solver.prototxt", 10, *pairs, *state)
    with np.load(run / "trace.npz") as trace:
        unbroken = trace["loss"]
    np.testing.assert_allclose(begun, unbroken[:10], rtol=1e-4)
    np.testing.assert_allclose(ended, unbroken[10:], rtol=1e-2)
