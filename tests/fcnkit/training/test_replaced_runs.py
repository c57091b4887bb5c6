"""An earlier run stays until the one that replaces it has taken a step, however that one ends."""

import errno
import json
import os

import numpy as np
import pytest
from earlier_run import content, earlier, mine, read, recipe, write_inputs
from tiny_segmentation import net_text, write_solver

from caffeformat import InputError, Weights, read_net, read_solver, write_blob, write_caffemodel
from fcnkit import engine
from fcnkit.training import Recipe, Start, train
from fcnkit.training.recorder import Recorder

pytestmark = pytest.mark.usefixtures("needs_engine")


@pytest.fixture
def here(tmp_path, monkeypatch):
    write_inputs(tmp_path, monkeypatch)
    return tmp_path


def test_weights_that_do_not_fit_cost_nothing(here):
    before = earlier()
    with pytest.raises(InputError, match="score"):
        train(recipe(class_weights=0.5), "run", Start("other.caffemodel"), force=True)
    assert content() == before


@pytest.mark.parametrize("call", [0, 1, 5])
def test_files_that_cannot_be_renamed_cost_nothing(here, monkeypatch, call):
    before = earlier()
    real, calls = os.replace, []

    def replace(old, new):
        inside = "before-" in str(new) and "fcnkit-f" not in str(old)
        calls.extend([new] if inside else [])
        if inside and len(calls) == call + 1:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        real(old, new)

    with monkeypatch.context() as patch, pytest.raises(InputError, match="cannot be moved to"):
        patch.setattr(os, "replace", replace)
        train(recipe(), "run", force=True)
    assert content() == before


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("tensorboard", [False, True])
@pytest.mark.parametrize("form", ["BINARYPROTO", "HDF5"])
def test_whatever_a_run_writes_stays_or_goes(here, monkeypatch, tensorboard, form):
    if tensorboard:
        pytest.importorskip("tensorboard")
    settings = {"tensorboard": tensorboard}
    write_solver(here, max_iter=4, display=1, test_interval=2, snapshot=2, snapshot_format=form)
    before = earlier(**settings)
    seen = []

    def fails(self, solver):
        seen.append(content())
        raise InputError("before the step")

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "before_step", fails)
        with pytest.raises(InputError, match="before the step"):
            train(recipe(class_weights=0.5, **settings), "run", force=True)
    assert content() == before
    # All but what is nobody's had been moved, and nothing that the new run needs.
    moved = {name.split(os.sep, 1)[1] for name in seen[0] if name.startswith("before-")}
    assert moved - {".set_aside_by_fcnkit"} == set(before) - mine(before)
    train(recipe(("max_iter", "1")), "run", force=True)
    after = content()
    assert mine(after) == mine(before)
    train(recipe(("max_iter", "1")), "fresh")
    assert set(after) - mine(after) == set(content("fresh"))


def test_a_first_loss_that_is_no_number_costs_nothing(here):
    before = earlier()
    weights = Weights({"score": [np.full((3, 8, 1, 1), np.nan, np.float32)]}, name="tiny")
    weights["score"].append(np.zeros(3, np.float32))
    weights.types["score"] = "Convolution"
    write_caffemodel("nan.caffemodel", weights, read_net("net.prototxt"))
    with pytest.raises(InputError, match="iteration 0: the loss is nan"):
        train(recipe(), "run", Start("nan.caffemodel"), force=True)
    assert content() == before


def test_ctrl_c_before_the_first_step_costs_nothing(here, monkeypatch):
    before = earlier()

    def pressed(self, solver):
        raise KeyboardInterrupt

    monkeypatch.setattr(Recorder, "before_step", pressed)
    with pytest.raises(KeyboardInterrupt):
        train(recipe(), "run", force=True)
    assert content() == before


def test_a_run_without_a_step_replaces_the_earlier_one(here):
    earlier()
    train(recipe(), "other")
    start = Start(snapshot="other/snap_iter_4.solverstate")
    outcome = train(recipe(("max_iter", "3")), "run", start, force=True)
    found = content()
    assert outcome.iteration == 4 and "snap_iter_2.caffemodel" not in found
    assert not any(name.startswith("before-") for name in found)


def test_a_run_that_is_stopped_before_its_first_step_costs_nothing(here):
    before = earlier()
    outcome = train(recipe(class_weights=0.5), "run", force=True, stop=lambda: True)
    assert outcome.withdrawn and (outcome.iteration, outcome.weights) == (0, None)
    assert content() == before
    # One that is done with that step has nothing to stop.
    assert train(recipe(("max_iter", "1")), "run", force=True, stop=lambda: True).finished
    assert "snap_iter_4.caffemodel" not in content()


def test_a_run_that_is_stopped_after_its_first_step_replaces_the_earlier_one(here):
    earlier()
    seen = []

    def stop():
        seen.append(any(name.startswith("before-") for name in os.listdir("run")))
        return len(seen) > 1

    outcome = train(recipe(), "run", force=True, stop=stop)
    assert not outcome.withdrawn and outcome.iteration == 1 and seen == [True, False]
    assert os.path.exists("run/snap_iter_1.solverstate")


def test_what_the_new_run_reads_stays(here):
    earlier()
    matrix = read("run/class_weights.binaryproto")
    weighed = net_text().replace(
        'type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss"',
        'type: "InfogainLoss" bottom: "score" bottom: "label" top: "loss" '
        'infogain_loss_param { source: "run/class_weights.binaryproto" }',
    )
    write_solver(here, weighed, max_iter=1, snapshot=1)
    with pytest.raises(InputError, match="score"):
        train(recipe(), "run", Start("other.caffemodel"), force=True)
    train(recipe(), "run", force=True)
    assert read("run/class_weights.binaryproto") == matrix
    # Weights that the solver names are no less needed than those of the command.
    write_solver(here, max_iter=1, snapshot=1, weights='"run/snap_iter_1.caffemodel"')
    with pytest.raises(InputError, match="is part of the earlier run"):
        train(recipe(), "run", force=True)
    assert os.path.exists("run/snap_iter_1.caffemodel")


def test_nets_beside_a_solver_in_the_output_are_not_replaced(here):
    os.mkdir("run")
    os.rename("solver.prototxt", "run/own.prototxt")
    os.rename("net.prototxt", "run/train.prototxt")
    text = read("run/own.prototxt").replace(b"net.prototxt", b"train.prototxt")
    with open("run/own.prototxt", "wb") as file:
        file.write(text)
    with pytest.raises(InputError, match="would be replaced by the run's own train"):
        train(Recipe("run/own.prototxt", "data", augment={}), "run")
    assert read_solver("run/own.prototxt").net == "train.prototxt"


def test_a_run_without_snapshots_stays_as_it_was_if_the_next_one_fails(here):
    train(recipe(("snapshot", "0"), ("snapshot_after_train", "false")), "run")
    os.remove("run/snap_best.caffemodel")
    before = content()
    with pytest.raises(InputError, match="score"):
        train(recipe(), "run", Start("other.caffemodel"))
    assert content() == before
    train(recipe(), "run")
    found = content()
    assert found["train.log.before"] == before["train.log"]
    assert found["snapshots.json.before"] == before["snapshots.json"]


def test_a_run_with_another_snapshot_prefix_is_an_earlier_run_too(here):
    before = earlier()
    write_solver(here, max_iter=4, display=1, snapshot=2, snapshot_prefix='"fine"')
    with pytest.raises(InputError, match="is from an earlier run"):
        train(recipe(), "run")
    with pytest.raises(InputError, match=r"snap_iter_2\.caffemodel is .*prefix than fine: to"):
        train(recipe(), "run", Start(resume=True))
    assert content() == before
    train(recipe(), "run", force=True)
    found = content()
    assert found["snap_iter_4.caffemodel"] == before["snap_iter_4.caffemodel"]
    assert "fine_iter_4.caffemodel" in found and mine(found) == mine(before)
    assert train(recipe(("max_iter", "5")), "run", Start(resume=True)).iteration == 5


class Restarted(type(engine.ALONE)):
    """A process that torchrun may start again: what has begun stays known."""

    def __init__(self):
        self.begun = []

    def has_begun(self, work):
        return bool(self.begun)

    def begin(self, work):
        self.begun.append(sorted(name for name in os.listdir(work) if name.startswith("before-")))


def test_processes_that_are_started_again_do_not_continue_the_earlier_run(here, monkeypatch):
    before = earlier()
    process = Restarted()
    monkeypatch.setattr(engine, "join", lambda devices: process)

    def fails(*_):
        raise InputError("lost")

    with monkeypatch.context() as patch, pytest.raises(InputError, match="lost"):
        patch.setattr(Recorder, "before_step", fails)
        train(recipe(("max_iter", "3")), "run", force=True)
    assert process.begun == [] and content() == before
    with monkeypatch.context() as patch, pytest.raises(InputError, match="lost"):
        patch.setattr(Recorder, "_display", fails)
        train(recipe(("max_iter", "3")), "run", force=True)
    assert process.begun == [[]]  # once the earlier run had gone
    assert train(recipe(("max_iter", "3")), "run", force=True).iteration == 3
    assert "snap_iter_4.caffemodel" not in content()


def test_hostile_marks_move_nothing_out_of_the_folder(here):
    os.mkdir("outside")
    os.makedirs("run/before-1/link")
    os.symlink(here / "outside", "run/link")
    for name, said in (
        ("link/file", "a link leads out"),
        ("../file", "is no path"),
        (str(here / "file"), "is no path"),
    ):
        with open("run/before-1/.set_aside_by_fcnkit", "w") as file:
            json.dump({"files": [name], "folders": [], "stays": []}, file)
        with open("run/before-1/link/file", "w") as file:
            file.write("theirs")
        with pytest.raises(InputError, match=said):
            train(recipe(), "run")
    for text, said in (("{", "is not JSON"), ("{}", "is damaged"), ("[]", "expected a JSON obj")):
        with open("run/before-1/.set_aside_by_fcnkit", "w") as file:
            file.write(text)
        with pytest.raises(InputError, match=f"{said}.*: move what you want to keep out of"):
            train(recipe(), "run")
    assert os.listdir("outside") == [] and os.path.exists("run/before-1/link/file")


def test_events_behind_a_link_go_with_the_first_step(here):
    earlier()
    os.mkdir("elsewhere")
    os.symlink(here / "elsewhere", "run/tensorboard")
    write_blob("elsewhere/events.out.tfevents.1", np.zeros((1, 1, 1, 1), np.float32))
    with pytest.raises(InputError, match="score"):
        train(recipe(), "run", Start("other.caffemodel"), force=True)
    assert os.listdir("elsewhere") == ["events.out.tfevents.1"]
    train(recipe(("max_iter", "1")), "run", force=True)
    assert os.listdir("elsewhere") == []
