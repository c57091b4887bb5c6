"""`fcnkit compare_engines`: nets and trainings that a user brings, on both engines."""

import json
import re
import shutil

import pytest

from caffeformat import InputError, read_caffemodel, write_caffemodel
from fcnkit.commands import compare_engines, main
from fcnkit.engine import comparison

pytest.importorskip("torch")
pytestmark = pytest.mark.bvlc


@pytest.fixture
def run_folder(golden, tmp_path, monkeypatch):
    """A folder with net, solver and weights, which becomes the current one."""
    for name in ("net.prototxt", "solver.prototxt", "start.caffemodel"):
        shutil.copy(golden / "training/sgd_fixed" / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(root, *arguments):
    return main.run_module(compare_engines, [*map(str, arguments), "--root", str(root)])


def test_a_net_with_its_weights_agrees_in_values_and_gradients(bvlc_root, run_folder, capsys):
    arguments = ["net.prototxt", "start.caffemodel", "--phase", "TRAIN", "--json", "found.json"]
    assert run(bvlc_root, *arguments) == 0
    said = capsys.readouterr().out
    assert re.search(r"upscore:0 +5x1x16x16 +\S+ +\S+ +\S+ +\S+\n", said)
    assert "largest relative difference" in said
    rows = json.loads((run_folder / "found.json").read_text())
    assert {row["kind"] for row in rows} == {"data", "diff", "param", "paramdiff"}


def test_a_training_agrees_step_by_step_and_leaves_nothing(bvlc_root, run_folder, capsys):
    before = sorted(run_folder.iterdir())
    assert run(bvlc_root, "solver.prototxt", "--steps", 5) == 0
    assert re.search(r"loss +5x1 ", capsys.readouterr().out)
    assert sorted(run_folder.iterdir()) == before


def test_parameters_that_the_weights_lack_are_the_same_in_both(bvlc_root, run_folder, capsys):
    weights = read_caffemodel(run_folder / "start.caffemodel")
    kept = {name: blobs for name, blobs in weights.items() if name != "score_fr"}
    write_caffemodel(run_folder / "part.caffemodel", kept)
    assert run(bvlc_root, "net.prototxt", "part.caffemodel") == 0
    said = capsys.readouterr()
    assert re.search(r"score_fr:0 +\S+ +0.0e\+00 ", said.out)
    assert "has nothing for score_fr: " in said.err


def test_what_differs_is_marked_and_gives_1(bvlc_root, run_folder, capsys, monkeypatch):
    weights = read_caffemodel(run_folder / "start.caffemodel")
    run_on = comparison._run

    def other_weights(name, jobs, *rest):
        if name == "bvlc":
            changed = {layer: [blob * 1.001 for blob in weights[layer]] for layer in weights}
            write_caffemodel(run_folder / "other.caffemodel", changed)
            jobs = [{**job, "weights": str(run_folder / "other.caffemodel")} for job in jobs]
        run_on(name, jobs, *rest)

    monkeypatch.setattr(comparison, "_run", other_weights)
    assert run(bvlc_root, "net.prototxt", "start.caffemodel") == 1
    assert re.search(r"score .*<--", capsys.readouterr().out)


def test_neither_engine_runs_a_module_that_lies_beside_the_net(bvlc_root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "voc_layers.py").write_text("open('ran', 'w').close()")
    (tmp_path / "net.prototxt").write_text(
        'layer { name: "d" type: "Python" top: "d" '
        'python_param { module: "voc_layers" layer: "VOCSegDataLayer" } }'
    )
    job = {"kind": "net", "path": "net.prototxt", "phase": "TEST"}
    for engine in ("torch", "bvlc"):
        with pytest.raises(InputError, match="param_str"):
            comparison._run(engine, [job], str(tmp_path), ["net.prototxt"], str(bvlc_root))
    assert not (tmp_path / "ran").exists()


def test_what_an_engine_says_about_a_wrong_net_is_told(bvlc_root, run_folder, capsys):
    text = (run_folder / "net.prototxt").read_text()
    (run_folder / "net.prototxt").write_text(text.replace("num_output", "num_outptu"))
    assert run(bvlc_root, "net.prototxt") == 1
    assert "num_output" in capsys.readouterr().err


def test_numbers_that_are_not_finite_are_told_and_leave_valid_json(
    bvlc_root, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(
        'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } } '
        'layer { name: "log" type: "Log" bottom: "x" top: "y" }'
    )
    assert run(bvlc_root, "net.prototxt", "--json", "found.json") == 0
    said = capsys.readouterr().out
    found = re.search(
        r"^blob y: NaN or infinite, of 6 values: (\d) in t.*, (\d) in BVLC", said, re.M
    )
    assert found.group(1) == found.group(2) != "0"
    rows = json.loads((tmp_path / "found.json").read_text(), parse_constant=pytest.fail)
    assert [row["name"] for row in rows if row["kind"] == "data" and row["problem"]] == ["y"]
