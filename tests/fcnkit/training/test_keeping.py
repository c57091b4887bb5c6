"""What a run keeps: newest snapshots, best weights, and when it ends early; no engine needed."""

import json
import os

import numpy as np
import pytest

from caffeformat import (
    FormatError,
    InputError,
    SolverState,
    Weights,
    pb,
    write_caffemodel,
    write_solver_state,
)
from fcnkit.training import Snapshots, keeping, snapshots
from fcnkit.training.keeping import Keeper


class Killed(BaseException):
    """Simulates the end of the process; no error handler catches it."""


class Net:
    """Weights whose one value says after how many iterations they were saved."""

    def __init__(self, iteration):
        self.iteration = iteration

    def save(self, path):
        write_caffemodel(path, one_weight(self.iteration))


def one_weight(value):
    weights = Weights(name="tiny")
    weights["conv"] = [np.full((1, 1), value, np.float32)]
    weights.types["conv"] = "Convolution"
    return weights


def solver(folder, **fields):
    return pb.SolverParameter(snapshot_prefix=str(folder / "snap"), **fields)


def keeper(folder, resume=False, needed=(), prefix="snap", **plan):
    settings = solver(folder)
    settings.snapshot_prefix = str(folder / prefix)
    return Keeper(settings, Snapshots(**plan), needed, resume)


def take(keeper, folder, iteration, whole=True, prefix="snap"):
    """Take a snapshot as a run does, or a half of one."""
    keeper.begin(iteration)
    weights, state = snapshots.paths(str(folder / prefix), iteration)
    write_caffemodel(weights, one_weight(iteration))
    write_solver_state(state, SolverState(iteration, 0, weights, [np.zeros((1, 1), np.float32)]))
    if not whole:
        os.truncate(weights, os.path.getsize(weights) // 2)
    return keeper.remove_old(iteration)


def scored(keeper, iteration, mean_iou):
    return keeper.test(iteration, mean_iou, Net(iteration))


def there(folder, kind="caffemodel"):
    return sorted(
        int(name.split("_iter_")[1].split(".")[0])
        for name in os.listdir(folder)
        if "_iter_" in name and name.endswith(kind)
    )


def saved(folder):
    """After how many iterations the best weights were saved."""
    (blob,) = snapshots.read_caffemodel(folder / "snap_best.caffemodel")["conv"]
    return int(blob[0, 0])


@pytest.mark.parametrize("keep, left", [(1, [50]), (3, [30, 40, 50]), (9, [10, 20, 30, 40, 50])])
def test_older_snapshots_go_once_a_newer_one_is_whole(tmp_path, keep, left):
    keeping = keeper(tmp_path, keep=keep)
    for iteration in (10, 20, 30, 40, 50):
        assert take(keeping, tmp_path, iteration) is None
    assert there(tmp_path) == there(tmp_path, "solverstate") == left


def test_all_stay_without_a_number(tmp_path):
    keeping = keeper(tmp_path)
    for iteration in (10, 20):
        take(keeping, tmp_path, iteration)
    assert there(tmp_path) == [10, 20]


def test_nothing_goes_for_a_snapshot_that_is_not_whole(tmp_path):
    keeping = keeper(tmp_path, keep=1)
    take(keeping, tmp_path, 10)
    assert "not whole" in take(keeping, tmp_path, 20, whole=False)
    assert there(tmp_path) == [10, 20]
    take(keeping, tmp_path, 30)
    assert there(tmp_path) == [30]


def test_only_snapshots_of_this_run_go(tmp_path):
    others = ["snap_iter_5.caffemodel", "snap_iter_5.solverstate", "snap_iter_5.caffemodel.h5"]
    others += ["snap_iter_x_iter_5.caffemodel", "snapshot_iter_5.caffemodel", "other_iter_5.h5"]
    for name in others:
        (tmp_path / name).write_text("somebody else's")
    keeping = keeper(tmp_path, keep=1)
    for iteration in (4, 8, 12):
        take(keeping, tmp_path, iteration)
    assert sorted(os.listdir(tmp_path)) == sorted(
        [*others, "snap_iter_12.caffemodel", "snap_iter_12.solverstate", "snapshots.json"]
    )


def test_what_the_run_started_from_stays(tmp_path):
    keeping = keeper(tmp_path, keep=1)
    take(keeping, tmp_path, 10)
    start = tmp_path / "snap_iter_10.caffemodel"
    resumed = keeper(tmp_path, resume=True, needed=[start], keep=1)
    take(resumed, tmp_path, 20)
    assert there(tmp_path) == [10, 20] and there(tmp_path, "solverstate") == [20]


def test_a_resumed_run_removes_what_the_killed_process_took(tmp_path):
    for iteration in (10, 20):
        take(keeper(tmp_path, resume=True), tmp_path, iteration)
    take(keeper(tmp_path, resume=True, keep=2), tmp_path, 30)
    assert there(tmp_path) == [20, 30]


@pytest.mark.parametrize("killed_at", [1, 2, 3, 4])
def test_a_kill_while_removing_leaves_what_resuming_needs(tmp_path, monkeypatch, killed_at):
    keeping = keeper(tmp_path)
    for iteration in (10, 20, 30):
        take(keeping, tmp_path, iteration)
    calls, remove = [], os.remove

    def dies(path):
        calls.append(path)
        if len(calls) == killed_at:
            raise Killed
        remove(path)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(os, "remove", dies)
        take(keeper(tmp_path, resume=True, keep=2), tmp_path, 40)
    newest, broken = snapshots.newest(str(tmp_path / "snap"), solver(tmp_path))
    assert newest.endswith("snap_iter_40.solverstate") and not broken
    take(keeper(tmp_path, resume=True, keep=2), tmp_path, 50)
    assert there(tmp_path) == there(tmp_path, "solverstate") == [40, 50]


def test_the_best_weights_have_their_own_name_and_stay(tmp_path):
    keeping = keeper(tmp_path, keep=1)
    for iteration, mean_iou in ((10, 0.2), (20, 0.5), (30, 0.5), (40, float("nan")), (50, 0.4)):
        take(keeping, tmp_path, iteration)
        assert scored(keeping, iteration, mean_iou) == (iteration <= 20)
    assert saved(tmp_path) == 20
    assert keeping.best == (20, 0.5, str(tmp_path / "snap_best.caffemodel"))
    record = json.loads((tmp_path / "snapshots.json").read_text())
    assert record["best"] == {"iteration": 20, "mean_iou": 0.5}
    assert record["tests"][3] == [40, None]


def test_the_start_is_no_result_of_the_run(tmp_path):
    keeping = keeper(tmp_path, patience=1)
    assert not scored(keeping, 0, 0.9) and keeping.best is None
    assert not keeping.is_exhausted(0)
    assert scored(keeping, 10, 0.1)


def test_patience_counts_tests_since_the_best(tmp_path):
    keeping = keeper(tmp_path, patience=2)
    ended = []
    scores = (0.1, 0.3, 0.2, 0.4, 0.4, float("nan"), 0.1)
    for iteration, mean_iou in enumerate(scores, 1):
        scored(keeping, iteration, mean_iou)
        ended.append(keeping.is_exhausted(iteration))
    assert ended == [False] * 5 + [True, True]


def test_scores_that_are_never_a_number_end_a_run_too(tmp_path):
    keeping = keeper(tmp_path, patience=3)
    for iteration in (1, 2, 3):
        scored(keeping, iteration, float("nan"))
    assert keeping.is_exhausted(3) and not os.path.exists(tmp_path / "snap_best.caffemodel")


def test_a_resumed_run_counts_on_and_keeps_the_better_weights(tmp_path):
    """Killed after its test at 30, resumed from 10: what it tests again is not counted twice."""
    first = keeper(tmp_path, patience=2)
    for iteration, mean_iou in ((10, 0.1), (20, 0.3), (30, 0.5)):
        scored(first, iteration, mean_iou)
    second = keeper(tmp_path, resume=True, patience=2)
    assert not scored(second, 20, 0.3) and not second.is_exhausted(20)
    assert not scored(second, 30, 0.5) and not second.is_exhausted(30)
    assert saved(tmp_path) == 30
    scored(second, 40, 0.4)
    third = keeper(tmp_path, resume=True, patience=2)
    scored(third, 40, 0.4)
    assert not third.is_exhausted(40)
    scored(third, 50, 0.4)
    assert third.is_exhausted(50) and saved(tmp_path) == 30


@pytest.mark.parametrize("place", ["atomic_path", "write_json 2", "write_json 3"])
def test_a_kill_while_the_best_is_saved_costs_nothing(tmp_path, monkeypatch, place):
    scored(keeper(tmp_path), 10, 0.3)
    name, _, call = place.partition(" ")
    calls, real = [], getattr(keeping, name)

    def dies(*args):
        calls.append(args)
        if len(calls) == int(call or 1):
            raise Killed
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(keeping, name, dies)
        resumed = keeper(tmp_path, resume=True)
        if call == "3":
            scored(resumed, 15, 0.1)
        with pytest.raises(Killed):
            scored(resumed, 20, 0.4)
    again = keeper(tmp_path, resume=True)
    assert not scored(again, 15, 0.2)
    assert scored(again, 20, 0.4)
    assert saved(tmp_path) == 20 and again.best.iteration == 20
    assert sorted(os.listdir(tmp_path)) == ["snap_best.caffemodel", "snapshots.json"]


def test_best_weights_without_a_record_are_set_aside(tmp_path):
    scored(keeper(tmp_path), 10, 0.3)
    os.remove(tmp_path / "snapshots.json")
    resumed = keeper(tmp_path, resume=True)
    assert scored(resumed, 20, 0.1) and saved(tmp_path) == 20
    assert (tmp_path / "snap_best.caffemodel.before").exists()


def test_best_weights_that_somebody_removed_are_saved_anew(tmp_path):
    scored(keeper(tmp_path), 10, 0.3)
    os.remove(tmp_path / "snap_best.caffemodel")
    assert scored(keeper(tmp_path, resume=True), 20, 0.1)


def test_snapshots_of_another_name_are_left_alone(tmp_path):
    take(keeper(tmp_path), tmp_path, 10)
    take(keeper(tmp_path, True, prefix="new", keep=1), tmp_path, 20, prefix="new")
    take(keeper(tmp_path, True, prefix="new", keep=1), tmp_path, 30, prefix="new")
    assert sorted(os.listdir(tmp_path)) == [
        "new_iter_30.caffemodel", "new_iter_30.solverstate",
        "snap_iter_10.caffemodel", "snap_iter_10.solverstate", "snapshots.json",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"prefix": "snap", "best": 3, "taken": [], "tests": []}',
     '{"prefix": "snap", "best": null, "taken": ["x"], "tests": []}',
     '{"prefix": "snap", "best": null, "taken": [], "tests": [1]}'],
)  # fmt: skip
def test_a_damaged_record_is_named(tmp_path, text):
    (tmp_path / "snapshots.json").write_text(text)
    with pytest.raises(FormatError, match=r"snapshots\.json: .*"):
        keeper(tmp_path, resume=True)
    keeper(tmp_path)  # a new run does not read it


@pytest.mark.parametrize(
    "wrong",
    [{"keep": 0}, {"patience": -1}, {"every": -2}, {"epochs": 0}, {"epochs": float("nan")},
     {"every": 5, "epochs": 1}],
)  # fmt: skip
def test_numbers_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InputError, match="expected"):
        Snapshots(**wrong)
