"""Runs on an engine: which snapshots they leave, what is best, when they end, killed or not."""

import dataclasses
import json
import os
from unittest import mock

import numpy as np
import pytest
from tiny_segmentation import write_dataset, write_solver

from caffeformat import InputError, read_caffemodel
from fcnkit.commands import main
from fcnkit.training import Observer, Recipe, Snapshots, Start, curves, keeping, read_run, train

pytestmark = pytest.mark.usefixtures("needs_engine")


class Killed(BaseException):
    """Simulates the end of the process; no error handler catches it."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data"))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(curves, "plot", lambda *_: None)
    write_solver(tmp_path, test_interval=3, snapshot=4, max_iter=20)
    return tmp_path


def recipe(data, *overrides, **plan):
    return Recipe(
        "solver.prototxt",
        data=data,
        augment={"flip": True},
        overrides=overrides,
        snapshots=Snapshots(**plan),
    )


STANDSTILL = ("base_lr", "1e-30")


def weights(path):
    return [np.array(b).tolist() for blobs in read_caffemodel(path).values() for b in blobs]


def states(folder="run"):
    names = [name for name in os.listdir(folder) if name.endswith(".solverstate")]
    return sorted(int(name.split("_iter_")[1].split(".")[0]) for name in names)


def record(folder="run"):
    with open(os.path.join(folder, "snapshots.json"), encoding="utf-8") as file:
        return json.load(file)


class Notes(Observer):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.mark.slow
def test_a_run_leaves_its_newest_and_best_snapshots(data):
    outcome = train(recipe(data, keep=2), "run")
    assert states() == [16, 20]
    tests = record()["tests"]
    assert [iteration for iteration, _ in tests] == [3, 6, 9, 12, 15, 18, 20]
    scores = [score for _, score in tests]
    assert outcome.best.mean_iou == max(scores) > 0.5
    assert outcome.best.iteration == tests[scores.index(max(scores))][0]
    assert read_run("run", "best").weights == os.path.join("run", "snap_best.caffemodel")
    assert read_run("run", 16).weights == os.path.join("run", "snap_iter_16.caffemodel")
    with pytest.raises(InputError, match=r"no snapshot snap_iter_8; there are .* 16, 20$"):
        read_run("run", 8)
    with pytest.raises(InputError, match="snapshot='last': expected newest, best, or"):
        read_run("run", "last")


def test_intervals_in_passes_over_the_data(data):
    train(recipe(data, epochs=1.5), "run")  # 8 images, 2 per iteration
    assert states() == [6, 12, 18, 20]


@pytest.mark.slow
def test_a_run_without_improvement_ends(data):
    notes = Notes()
    outcome = train(recipe(data, STANDSTILL, patience=2), "run", observer=notes)
    assert (outcome.iteration, outcome.finished, outcome.best.iteration) == (9, True, 3)
    assert any("no better mean IoU in 2 tests" in note for note in notes.notes)
    assert states() == [4, 8, 9]
    # The same again is done already; with more patience the run goes on.
    again = train(recipe(data, STANDSTILL, patience=2), "run", Start(resume=True))
    assert again.iteration == 9 and states() == [4, 8, 9]
    longer = train(recipe(data, STANDSTILL, patience=3), "run", Start(resume=True))
    assert longer.iteration == 12


def test_a_run_that_ends_early_has_a_snapshot_whatever_the_solver_says(data):
    plan = recipe(data, STANDSTILL, ("snapshot_after_train", "false"), patience=1)
    outcome = train(plan, "run")
    assert (outcome.iteration, states()) == (6, [4, 6])
    assert outcome.weights is not None and outcome.weights.endswith("snap_iter_6.caffemodel")


def test_patience_needs_tests(data):
    without = dataclasses.replace(recipe(data, patience=2), validate=False)
    with pytest.raises(InputError, match="patience=2 counts tests"):
        train(without, "run")


@pytest.mark.slow
def test_an_earlier_run_with_best_weights_only_is_not_replaced(data):
    train(recipe(data, every=0), "run")
    os.remove("run/snap_iter_20.caffemodel")
    os.remove("run/snap_iter_20.solverstate")
    with pytest.raises(InputError, match="is from an earlier run"):
        train(recipe(data), "run")
    train(recipe(data, ("max_iter", "2"), every=0), "run", force=True)
    assert record()["best"]["iteration"] == 2


@pytest.mark.parametrize(
    "place, call",
    [
        ("begin", 2),  # before a snapshot is written
        pytest.param("remove_old", 3, marks=pytest.mark.slow),  # before older ones go
        pytest.param("test", 3, marks=pytest.mark.slow),
        pytest.param("test", 6, marks=pytest.mark.slow),
        pytest.param("remove_old", 5, marks=pytest.mark.slow),
    ],
)
def test_a_killed_and_resumed_run_leaves_what_the_unbroken_one_leaves(
    data, here, monkeypatch, place, call
):
    train(recipe(data, keep=2, patience=4), "whole")
    real, calls = getattr(keeping.Keeper, place), []

    def dies(self, *args):
        calls.append(args)
        if len(calls) == call:
            raise Killed
        return real(self, *args)

    with mock.patch.object(keeping.Keeper, place, dies), pytest.raises(Killed):
        train(recipe(data, keep=2, patience=4), "run")
    train(recipe(data, keep=2, patience=4), "run", Start(resume=True))
    assert sorted(os.listdir("run")) == sorted(os.listdir("whole"))
    ours, theirs = (record(folder) for folder in ("run", "whole"))
    assert ours == theirs
    for name in os.listdir("whole"):
        if name.endswith(".caffemodel"):
            assert weights(f"run/{name}") == weights(f"whole/{name}"), name


@pytest.mark.slow
def test_commands_choose_a_snapshot(data, capsys):
    assert main.run_module(
        "fcnkit.commands.train",
        ["solver.prototxt", "--data", data, "-o", "run", "--augment", "flip=yes",
         "--keep", "1", "--snapshot-interval", "5", "--patience", "9"],
    ) == 0  # fmt: skip
    assert states() == [20] and "best mean IoU" in capsys.readouterr().out
    score = ["--run", "run", "--data", data]
    assert main.run_module("fcnkit.commands.score", [*score, "--snapshot", "best"]) == 0
    for wrong, words in (
        (["--snapshot", "5"], "there are those of iteration 20"),
        (["--snapshot", "best", "--weights", "run/snap_best.caffemodel"], "not --weights"),
        (["--snapshot", "first"], "--snapshot first: expected newest, best"),
    ):
        assert main.run_module("fcnkit.commands.score", [*score, *wrong]) == 1
        assert words in capsys.readouterr().err
