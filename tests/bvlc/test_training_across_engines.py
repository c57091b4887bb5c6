"""A run begun in one engine goes on in the other from its snapshot as if never broken."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.full
TRAIN = Path(__file__).with_name("engine_train.py")


def sgd_runs():
    return sorted((Path(__file__).parents[1] / "golden/training").glob("sgd_*"))


def train(engine, bvlc, folder, *arguments):
    """The losses of one part of a run, trained in `folder`."""
    if engine == "bvlc":
        bvlc.python(TRAIN, *arguments, cwd=folder)
    else:
        env = {**os.environ, "FCNKIT_ENGINE": "torch"}
        command = [sys.executable, TRAIN, *arguments]
        subprocess.run(command, cwd=folder, env=env, check=True)
    with np.load(folder / arguments[2]) as out:
        return out["losses"]


@pytest.mark.parametrize("first, second", [("bvlc", "torch"), ("torch", "bvlc")])
@pytest.mark.parametrize("run", sgd_runs(), ids=lambda run: run.name)
def test_losses_are_those_of_the_unbroken_run(bvlc, tmp_path, run, first, second):
    for name in ("net.prototxt", "solver.prototxt"):
        shutil.copy(run / name, tmp_path)
    begun = train(first, bvlc, tmp_path, run, "10", "begun.npz")
    ended = train(second, bvlc, tmp_path, run, "10", "ended.npz", "snap_iter_10.solverstate")
    with np.load(run / "trace.npz") as trace:
        unbroken = trace["loss"]
    np.testing.assert_allclose(begun, unbroken[:10], rtol=1e-4)
    np.testing.assert_allclose(ended, unbroken[10:], rtol=1e-2)
