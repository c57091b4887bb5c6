"""A process that is killed while it replaces an earlier run costs nothing of it, or of its own."""

import signal
import subprocess

import pytest
from earlier_run import Notes, content, earlier, mine, read, recipe, write_inputs
from own_processes import code

from caffeformat import InputError
from caffeformat.files import claimed_folder
from fcnkit.training import Start, parse_log, read_run, read_runs, train

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


@pytest.fixture
def here(tmp_path, monkeypatch):
    write_inputs(tmp_path, monkeypatch)
    return tmp_path


def killed(patch):
    done = subprocess.run(
        code(KILLED.format(patch=patch)), check=False, stderr=subprocess.PIPE, text=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return content()


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


@pytest.mark.slow
@pytest.mark.parametrize(
    "patch",
    [
        "setting_aside._remove = die",  # the mark has its other name already
        "running.Recorder._display = die",
        "running.Recorder.finish = die",
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
