"""An earlier run stays until the one that replaces it has taken a step, however that one ends."""

import errno
import json
import os
import signal
import subprocess

import numpy as np
import pytest
from own_processes import code
from tiny_segmentation import net_text, write_dataset, write_solver

from caffeformat import InputError, Weights, read_net, read_solver, write_blob, write_caffemodel
from caffeformat.files import claimed_folder
from fcnkit import engine
from fcnkit.training import Observer, Recipe, Start, curves, parse_log, read_run, read_runs, train
from fcnkit.training.recorder import Recorder

pytestmark = pytest.mark.usefixtures("needs_engine")

# Kills the process at a place of the training, which `patch` names.
KILLED = """
import os, sys
from fcnkit import engine
from fcnkit.training import Recipe, curves, running, setting_aside, train
curves.plot = lambda *_: None
def die(*args, **more):
    os.kill(os.getpid(), 9)
def at(call, real):
    calls = []
    def function(*args):
        calls.append(args)
        return (die if len(calls) == call else real)(*args)
    return function
{patch}
recipe = Recipe("solver.prototxt", "data", augment={{}}, overrides=[("max_iter", "2")],
                class_weights=0.5)
train(recipe, "run", force=True)
"""


class Notes(Observer):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(curves, "plot", lambda path, *_: open(path, "w").close())
    write_dataset(tmp_path / "data", train=4, val=2)
    write_solver(tmp_path, max_iter=4, display=1, test_interval=2, snapshot=2)
    write_other_weights()
    return tmp_path


def write_other_weights():
    """Weights that do not fit the net."""
    weights = Weights({"score": [np.ones((5, 8, 1, 1), np.float32)]}, name="other")
    weights.types["score"] = "Convolution"
    write_caffemodel("other.caffemodel", weights, read_net("net.prototxt"))


def recipe(*overrides, **settings):
    settings = {"augment": {}, "overrides": overrides, **settings}
    return Recipe("solver.prototxt", "data", **settings)


def content(folder="run"):
    """Path -> bytes of every file in a folder, but for locks."""
    return {
        os.path.relpath(os.path.join(place, name), folder): read(os.path.join(place, name))
        for place, _, names in os.walk(folder)
        for name in names
        if not name.endswith("-lock")
    }


def read(path):
    with open(path, "rb") as file:
        return file.read()


def earlier(**settings):
    """What a run left that wrote every kind of file, beside files that are nobody's."""
    train(recipe(class_weights=1.0, **settings), "run")
    for name in ("notes.txt", "train.log.before", "snap_iter_2.txt", "other_iter_4.caffemodel"):
        with open(os.path.join("run", name), "w") as file:
            file.write("mine")
    return content()


def mine(found):
    return {name for name, data in found.items() if data == b"mine"}


def killed(patch):
    done = subprocess.run(
        code(KILLED.format(patch=patch)), check=False, stderr=subprocess.PIPE, text=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return content()


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


@pytest.mark.parametrize(
    "patch",
    [
        "running.Recorder.before_step = die",
        pytest.param("setting_aside._rename = die", marks=pytest.mark.slow),  # nothing moved yet
        pytest.param(
            "setting_aside._rename = at(4, setting_aside._rename)", marks=pytest.mark.slow
        ),
        pytest.param("running.run_folder.write_settings = die", marks=pytest.mark.slow),
        pytest.param("engine.train = die", marks=pytest.mark.slow),
    ],
)
def test_a_kill_before_the_first_step_costs_nothing(here, patch):
    before = earlier()
    assert killed(patch) != before
    # Any command that uses the folder brings it back.
    assert read_run("run").weights.endswith("snap_iter_4.caffemodel")
    assert content() == before


@pytest.mark.slow
@pytest.mark.parametrize("resume", [True, False])
def test_training_goes_on_with_what_came_back(here, resume):
    before = earlier()
    killed("running.Recorder.before_step = die")
    notes = Notes()
    if resume:
        outcome = train(
            recipe(("max_iter", "5"), class_weights=1.0), "run", Start(resume=True), observer=notes
        )
        assert outcome.iteration == 5
        assert any("the earlier run is back" in note for note in notes.notes)
        assert any("snap_iter_4.solverstate, iteration 4" in note for note in notes.notes)
        assert read("run/snap_iter_2.caffemodel") == before["snap_iter_2.caffemodel"]
    else:
        with pytest.raises(InputError, match="is from an earlier run"):
            train(recipe(), "run", observer=notes)
        assert content() == before


@pytest.mark.slow
def test_a_second_kill_while_it_comes_back_costs_nothing(here):
    before = earlier()
    killed("running.Recorder.before_step = die")
    text = (
        "from fcnkit.training import run_folder\n"
        "setting_aside._rename = at(4, setting_aside._rename)\nrun_folder.bring_back('run')"
    )
    assert killed(text) != before
    assert list(read_runs(["run"])) == ["run"]
    assert content() == before


@pytest.mark.parametrize(
    "patch",
    [
        "setting_aside._remove = die",  # the mark has its other name already
        pytest.param("running.Recorder._display = die", marks=pytest.mark.slow),
        pytest.param("running.Recorder.finish = die", marks=pytest.mark.slow),
    ],
)
def test_a_kill_after_the_first_step_leaves_the_new_run_alone(here, patch):
    before = earlier()
    killed(patch)
    train(recipe(("max_iter", "2"), class_weights=0.5), "run", Start(resume=True))
    found = content()
    assert mine(found) == mine(before) and not any(name.startswith("before") for name in found)
    assert "snap_iter_4.caffemodel" not in found and "snap_iter_2.caffemodel" in found
    assert [row["iteration"] for row in parse_log("run/train.log")][-1] == 2


@pytest.mark.slow
def test_another_process_that_is_at_work_is_left_alone(here):
    earlier()
    during = killed("running.Recorder.before_step = die")
    with claimed_folder("run"):
        with pytest.raises(InputError, match="is writing there"):
            train(recipe(), "run", force=True)
        with pytest.raises(InputError, match="holds no whole snapshot"):
            read_run("run")
    assert content() == during


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
