"""`fcnkit train` from several files of weights, and what `--force` never removes."""

import os

import numpy as np
import pytest
from tiny_segmentation import write_dataset, write_solver

from caffeformat import Weights, read_caffemodel, read_net, write_caffemodel
from fcnkit.commands import main
from fcnkit.training import Start, curves

pytestmark = pytest.mark.usefixtures("needs_engine")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(curves, "plot", lambda *_: None)
    write_dataset(tmp_path / "data", train=4, val=1)
    write_solver(tmp_path, max_iter=1, base_lr=1e-20)
    return tmp_path


def train(*arguments):
    command = ["solver.prototxt", "-o", "run", "--data", "data", "--augment", *arguments]
    return main.run_module("fcnkit.commands.train", command)


def write_weights(path, **values):
    """A caffemodel of the tiny net's layers, each full of one value."""
    shapes = {"conv1": [(8, 3, 3, 3), (8,)], "score": [(3, 8, 1, 1), (3,)]}
    weights = Weights(name="tiny")
    for name, value in values.items():
        weights[name] = [np.full(shape, value, np.float32) for shape in shapes[name]]
        weights.types[name] = "Convolution"
    write_caffemodel(path, weights, read_net("net.prototxt"))
    return path


def first_values():
    return {name: b[0].flat[0] for name, b in read_caffemodel("run/snap_iter_1.caffemodel").items()}


def test_several_files_are_read_in_turn(here, capsys):
    write_weights("a.caffemodel", conv1=0.1)
    write_weights("b.caffemodel", conv1=0.2, score=0.3)
    assert train("--weights", "b.caffemodel, a.caffemodel") == 0
    assert first_values() == pytest.approx({"conv1": 0.1, "score": 0.3})
    assert "no weights" not in capsys.readouterr().err
    assert train("--force", "--weights", "a.caffemodel,a.caffemodel") == 0
    said = capsys.readouterr().err
    assert "no weights of that name in a.caffemodel and a.caffemodel: score" in said
    os.rename("b.caffemodel", "b,1.caffemodel")
    assert train("--force", "--weights", "b,1.caffemodel") == 0
    assert first_values() == pytest.approx({"conv1": 0.2, "score": 0.3})
    assert train("--force", "--weights", "a.caffemodel,none.caffemodel") == 1
    assert "none.caffemodel: there is no such file" in capsys.readouterr().err
    assert Start("a").weights_files == ["a"] and Start().weights_files == []


def test_force_keeps_weights_that_are_named_by_another_path(here, capsys):
    write_weights("a.caffemodel", conv1=0.1, score=0.3)
    assert train("--weights", "a.caffemodel") == 0
    os.symlink("run", "link")
    os.rename("run/snap_iter_1.solverstate", "moved.solverstate")
    starts = [("--weights", "link/snap_iter_1.caffemodel"), ("--snapshot", "moved.solverstate")]
    for start in starts:
        assert train("--force", *start) == 1
        assert "choose another output folder" in capsys.readouterr().err
        assert os.path.exists("run/snap_iter_1.caffemodel")
