"""`score --processes`: images shared out among processes, the same scores."""

import pytest
from rank_processes import MarkedRun
from tiny_segmentation import write_dataset, write_solver

from fcnkit import engine
from fcnkit.commands.main import main
from fcnkit.training import Recipe, curves, train

pytest.importorskip("torchcaffe")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(engine.VARIABLE, "torch")
    monkeypatch.setattr(curves, "plot", lambda *_: None)
    write_dataset("data", train=3, val=5)
    recipe = Recipe(write_solver(tmp_path, max_iter=3), "data", {"flip": True}, validate=False)
    train(recipe, "run")
    return tmp_path


@pytest.mark.slow
def test_processes_score_what_one_process_scores(run):
    assert (
        main(["score", "--run", "run", "--data", "data", "--json", "one.json", "--csv", "one"]) == 0
    )
    command = "score --run run --data data --json two.json --csv two --processes 2"
    marked = MarkedRun(run, "fcnkit", *command.split())
    status, text = marked.end()
    assert status == 0, text
    assert marked.leaves_nobody() and marked.leaves_no_file()
    for name in ("{}.json", "{}_images.csv", "{}_confusion.csv"):
        one, two = ((run / name.format(prefix)).read_text() for prefix in ("one", "two"))
        assert one == two


def test_what_cannot_be_is_told_first(run, capsys, monkeypatch):
    for arguments, problem in (
        ("--gpu 0,0", "named twice"),
        ("--gpu 0 --processes 2", "on the CPU"),
        ("--gpu one", "expected a number"),
    ):
        assert main(f"score --run run --data data {arguments}".split()) == 1
        assert problem in capsys.readouterr().err
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setenv("RANK", "0")
    assert main(["score", "--run", "run", "--data", "data"]) == 1
    assert "start it without torchrun" in capsys.readouterr().err
