"""Earlier stages that a killed process had set aside come back, or go, when the next run starts."""

import os

import pytest
from tiny_segmentation import write_dataset, write_solver

from caffeformat import InputError
from caffeformat.files import claimed_folder
from fcnkit.training import Recipe, curves, read_runs, train
from fcnkit.training.run_folder import settle
from fcnkit.training.stages.folders import START_NET, bring_back, set_aside


def stage(folder, text, log=""):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / START_NET).write_text(text)
    if log:
        (folder / "train.log").write_text(log)


@pytest.fixture
def killed(tmp_path):
    """An output whose earlier stages `a` and `b` a killed process had set aside."""
    for name in "ab":
        stage(tmp_path / name, "earlier")
    aside = set_aside([str(tmp_path / name) for name in "ab"])
    aside.__enter__()
    return aside, tmp_path


def test_they_come_back_where_the_new_run_has_not_taken_a_step(killed):
    _, output = killed
    stage(output / "a", "new", "I0101 Solving a\nI0101 Iteration 0, Testing net (#0)\n")
    bring_back(str(output))
    assert sorted(os.listdir(output)) == ["a", "b"]
    assert [(output / name / START_NET).read_text() for name in "ab"] == ["earlier"] * 2


def test_all_go_where_it_has(killed):
    """An earlier `b` would be taken for what the new run has done after `a`."""
    _, output = killed
    stage(output / "a", "new", "I0101 Iteration 0 (0 iter/s, 0s/20 iters), loss = 1.5\n")
    bring_back(str(output))
    assert os.listdir(output) == ["a"]
    assert (output / "a" / START_NET).read_text() == "new"


def test_all_come_back_though_some_had_when_a_process_was_killed(killed):
    _, output = killed
    (aside,) = output.glob("before-*")
    os.rename(aside / "a", output / "a")
    (output / "a" / "train.log").write_text("I0101 Iteration 0 (0 iter/s), loss = 1.5\n")
    bring_back(str(output))
    assert sorted(os.listdir(output)) == ["a", "b"]


def test_what_the_version_before_set_aside_comes_back(tmp_path):
    for name in "ab":
        stage(tmp_path / "before-x1" / name, "earlier")
    (tmp_path / "before-x1" / ".set_aside_by_fcnkit").touch()
    stage(tmp_path / "a", "new", "I0101 Solving a\n")
    bring_back(str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]
    texts = [(tmp_path / name / START_NET).read_text() for name in "ab"]
    assert texts == ["earlier", "earlier"] and os.listdir(tmp_path / "a") == [START_NET]


def test_a_run_beside_them_is_none_of_their_business(killed):
    _, output = killed
    (output / "train.log").write_text("of a run of its own")
    bring_back(str(output))
    assert sorted(os.listdir(output)) == ["a", "b", "train.log"]


def test_folders_of_that_name_without_our_mark_stay(tmp_path):
    stage(tmp_path / "before-the-deadline" / "a", "mine")
    bring_back(str(tmp_path))
    assert os.listdir(tmp_path) == ["before-the-deadline"]


@pytest.mark.parametrize("use", [settle, lambda path: read_runs([path])])
def test_whoever_uses_one_of_them_by_its_path_brings_all_back(tmp_path, use):
    log = "I0101 00:00:00.000000     1 solver.cpp:239] Iteration 0, loss = 1.5\n"
    for name in "ab":
        stage(tmp_path / "run" / name, "earlier", log)
    aside = set_aside([str(tmp_path / "run" / name) for name in "ab"])
    aside.__enter__()
    stage(tmp_path / "run" / "a", "new", "I0101 Solving a\n")
    stage(tmp_path / "run" / "c", "another")
    assert not settle(str(tmp_path / "run" / "c"))
    with claimed_folder(tmp_path / "run"):
        assert not settle(str(tmp_path / "run" / "b"))
    use(str(tmp_path / "run" / "b"))
    assert sorted(os.listdir(tmp_path / "run")) == ["a", "b", "c"]
    texts = [(tmp_path / "run" / name / START_NET).read_text() for name in "abc"]
    assert texts == ["earlier", "earlier", "another"]


@pytest.mark.slow
def test_training_in_one_of_them_brings_all_back(tmp_path, monkeypatch, needs_engine):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(curves, "plot", lambda *_: None)
    data, solver = write_dataset(tmp_path / "data"), write_solver(tmp_path, max_iter=2, snapshot=1)
    recipe = Recipe(solver, data, augment={})
    train(recipe, "run/a")
    aside = set_aside([str(tmp_path / "run" / "a")])
    aside.__enter__()
    with pytest.raises(InputError, match="is from an earlier run"):
        train(recipe, "run/a")
    assert os.listdir("run") == ["a"] and os.path.exists("run/a/snap_iter_2.caffemodel")
