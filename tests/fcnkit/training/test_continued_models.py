"""A model that a run continues is kept in its folder, and is replaced as the run itself is."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from earlier_run import content
from own_processes import code
from tiny_segmentation import write_dataset, write_solver

from caffeformat import InputError, Weights, read_net, write_caffemodel
from fcnkit.training import Recipe, Start, curves, read_run, train
from fcnkit.training.recorder import Recorder

pytestmark = pytest.mark.usefixtures("needs_engine")

# Kills the process before its first step.
KILLED = """
import os, shutil
from fcnkit.training import Recipe, Start, curves, running, train
{run}
curves.plot = lambda *_: None
running.Recorder.before_step = lambda *_: os.kill(os.getpid(), 9)
run("second", force=True)
"""


class Model:
    """The model in the folder `path`, which holds a solver, its net and weights."""

    def __init__(self, path):
        self.path = path

    def open(self, files, training):
        if not os.path.isdir(files):
            shutil.copytree(self.path, files)
        os.makedirs(training, exist_ok=True)
        for name in ("solver.prototxt", "net.prototxt"):
            shutil.copy(os.path.join(files, name), training)
        return os.path.join(training, "solver.prototxt"), os.path.join(files, "w.caffemodel")


def run(model, *, resume=False, force=False, steps=2, **more):
    recipe = Recipe("", "data", augment={}, overrides=[("max_iter", str(steps))])
    return train(recipe, "run", Start(resume=resume, model=Model(model), **more), force=force)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(curves, "plot", lambda path, *_: open(path, "w").close())
    write_dataset(tmp_path / "data", train=4, val=2)
    for name, value in (("first", 0.1), ("second", 0.2), ("unfit", None)):
        os.mkdir(name)
        write_solver(tmp_path / name, display=1, test_interval=2, snapshot=2)
        score = np.ones((5, 8, 1, 1)) if value is None else np.full((3, 8, 1, 1), value)
        weights = Weights({"score": [score.astype(np.float32)]}, name="tiny")
        weights.types["score"] = "Convolution"
        if value is not None:
            weights["score"].append(np.zeros(3, np.float32))
        net = read_net(os.path.join(name, "net.prototxt"))
        write_caffemodel(os.path.join(name, "w.caffemodel"), weights, net)
    return tmp_path


def kept(model):
    with open(os.path.join(model, "w.caffemodel"), "rb") as file:
        return file.read()


def test_its_weights_and_solver_are_used_and_used_again(here):
    assert run("first").iteration == 2
    assert content()["digits_model/files/w.caffemodel"] == kept("first")
    shutil.rmtree("first")
    assert run("first", resume=True, steps=3).iteration == 3


def test_it_goes_with_the_first_step_of_the_new_run(here):
    run("first")
    assert run("second", force=True, steps=1).iteration == 1
    found = content()
    assert found["digits_model/files/w.caffemodel"] == kept("second")
    assert "snap_iter_1.caffemodel" in found and "snap_iter_2.caffemodel" not in found
    assert not any(name.startswith("before-") for name in found)


def test_a_run_that_takes_no_step_costs_nothing_of_it(here):
    run("first")
    before = content()
    for unfit in ({"model": "unfit"}, {"model": "second", "weights": "unfit/w.caffemodel"}):
        with pytest.raises(InputError, match="score"):
            run(**unfit, force=True)
        assert content() == before


@pytest.mark.slow
def test_a_kill_before_the_first_step_costs_nothing_of_it(here):
    run("first")
    before = content()
    text = Path(__file__).read_text()
    text = KILLED.format(run=text[text.index("class Model:") : text.index("@pytest.fixture")])
    done = subprocess.run(code(text), check=False, stderr=subprocess.PIPE, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert content()["digits_model/files/w.caffemodel"] == kept("second")
    assert read_run("run").weights.endswith("snap_iter_2.caffemodel")
    assert content() == before


def test_a_run_that_takes_no_step_leaves_none_where_there_was_none(here, monkeypatch):
    train(Recipe("first/solver.prototxt", "data", augment={}, overrides=[("max_iter", "2")]), "run")
    before = content()

    def fails(self, solver):
        assert os.path.exists("run/digits_model/files")
        raise InputError("before the step")

    monkeypatch.setattr(Recorder, "before_step", fails)
    with pytest.raises(InputError, match="before the step"):
        run("second", force=True)
    assert content() == before and not os.path.exists("run/digits_model")


def test_it_is_replaced_only_by_force_and_if_nothing_would_be_lost(here):
    run("first")
    with pytest.raises(InputError, match="resume=True to continue it or force=True to replace it"):
        run("second")
    with pytest.raises(InputError, match="is part of the earlier run"):
        run("second", force=True, weights="run/digits_model/files/w.caffemodel")
    with open("run/digits_model/notes.txt", "w") as file:
        file.write("mine")
    before = content()
    with pytest.raises(InputError, match=r"holds more than a run leaves \(notes.txt\)"):
        run("second", force=True)
    assert content() == before
    with pytest.raises(InputError, match="choose another output"):
        run("run")
