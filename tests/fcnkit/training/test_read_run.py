"""Which of a run's weights are read: the newest whole ones, the best, or those of an iteration."""

import json
import os

import numpy as np
import pytest

from caffeformat import FormatError, InputError, write_caffemodel, write_solver_state
from caffeformat.weights.solverstate import SolverState
from fcnkit.training import read_run

SETTINGS = {"mean": [1, 2, 3], "scale": 0.5, "classes": ["a", "b"]}


def snapshot(folder, iteration, ending=""):
    """Write weights and a solver state as after that iteration."""
    stem = str(folder / f"snap_iter_{iteration}")
    weights = f"{stem}.caffemodel{ending}"
    write_caffemodel(weights, {"conv": [np.full(2, iteration, np.float32)]})
    state = SolverState(iteration, 0, os.path.basename(weights), [np.zeros(2, np.float32)])
    write_solver_state(f"{stem}.solverstate{ending}", state)
    return weights


def settings(folder, **more):
    (folder / "inference.json").write_text(json.dumps({**SETTINGS, **more}))


@pytest.fixture
def run(tmp_path):
    """A folder with snapshots of 4, 8 and 12 steps; the last one's state is damaged."""
    (tmp_path / "solver.prototxt").write_text('snapshot_prefix: "elsewhere/snap"')
    settings(tmp_path)
    for iteration in (4, 8, 12):
        snapshot(tmp_path, iteration)
    (tmp_path / "snap_iter_12.solverstate").write_bytes(b"\xff\xff")
    return tmp_path


def test_the_newest_whole_snapshot_is_read_with_the_runs_settings(run):
    found = read_run(run)
    assert found.weights == str(run / "snap_iter_8.caffemodel")
    assert found.net == str(run / "deploy.prototxt")
    assert (found.mean, found.scale, found.names) == ([1, 2, 3], 0.5, ["a", "b"])


def test_a_number_names_a_snapshot_whole_or_not(run):
    assert read_run(run, 12).weights == str(run / "snap_iter_12.caffemodel")
    assert read_run(run, "004").weights == str(run / "snap_iter_4.caffemodel")
    hdf5 = snapshot(run, 16, ".h5")
    assert read_run(run, 16).weights == read_run(run).weights == hdf5
    words = "holds no snapshot snap_iter_5; there are those of iteration 4, 8, 12, 16"
    with pytest.raises(InputError, match=words):
        read_run(run, 5)


@pytest.mark.parametrize("name", ["last", "-4", "4.0", "1" * 19, ""])
def test_other_names_are_refused(run, name):
    with pytest.raises(InputError, match="expected newest, best, or the iteration") as caught:
        read_run(run, name)
    assert caught.value.options == {"snapshot": name}


def test_the_best_weights_are_beside_the_snapshots(run):
    with pytest.raises(InputError, match=r"holds no snap_best\.caffemodel: a run has one from"):
        read_run(run, "best")
    best = str(run / "snap_best.caffemodel")
    write_caffemodel(best, {"conv": [np.ones(2, np.float32)]})
    assert read_run(run, "best").weights == best
    assert read_run(run).weights != best


def test_a_folder_without_a_whole_snapshot_is_named(run):
    for iteration in (4, 8):
        (run / f"snap_iter_{iteration}.caffemodel").unlink()
    with pytest.raises(InputError, match="holds no whole snapshot snap_iter_"):
        read_run(run)
    for path in run.glob("snap_*"):
        path.unlink()
    with pytest.raises(InputError, match="there are those of iteration none"):
        read_run(run, 4)


def test_what_images_a_run_takes_is_read(run):
    settings(run, channels=5, depth="uint16", white=4095, bands=[3, 2, 1], ignore=7)
    found = read_run(run)
    assert (found.form.channels, found.form.depth, found.form.white) == (5, "uint16", 4095)
    assert found.bands == (3, 2, 1) and found.ignore == 7


@pytest.mark.parametrize(
    "more",
    [{"bands": [6, 2, 1], "channels": 5}, {"depth": "int3"}, {"bands": 3}, {"channels": "x"}],
)
def test_images_that_cannot_be_are_damage(run, more):
    settings(run, **more)
    with pytest.raises(FormatError, match=r"inference\.json: is damaged"):
        read_run(run)


def test_other_folders_are_no_runs(tmp_path):
    with pytest.raises(InputError, match=r"not an output of train: there is no .*inference\.json"):
        read_run(tmp_path)
