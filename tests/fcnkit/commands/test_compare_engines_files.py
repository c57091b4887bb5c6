"""What `fcnkit compare_engines` asks both engines for and says, and what `--json` writes."""

import json

import numpy as np
import pytest

from caffeformat import write_caffemodel
from fcnkit.commands import compare_engines, main
from fcnkit.engine.comparison import comparison_row


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the command on a net whose comparison found a NaN; `--json` is the only file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text('layer { name: "x" type: "Input" top: "x" }')
    rows = [
        comparison_row("data", "x", np.ones(2), np.ones(2)),
        comparison_row("data", "y", np.array([np.nan, 1]), np.ones(2)),
    ]
    compared = {"net.prototxt": rows}
    monkeypatch.setattr(compare_engines.engine, "compare_nets", lambda *a, **k: compared)
    return lambda *rest: main.run_module(
        compare_engines, ["net.prototxt", "--json", "found.json", *rest]
    )


def test_numbers_that_are_not_finite_are_words_and_null(run, tmp_path, capsys):
    assert run() == 1
    said = capsys.readouterr().out
    assert "blob y: NaN or infinite, of 2 values: 1 in torchcaffe, 0 in BVLC Caffe" in said
    rows = json.loads((tmp_path / "found.json").read_text(), parse_constant=pytest.fail)
    assert [row["difference"] for row in rows] == [0, None]
    assert rows[1]["problem"].startswith("NaN or infinite")


def test_a_file_that_is_there_stays_without_force(run, tmp_path, capsys):
    (tmp_path / "found.json").write_text("precious")
    assert run() == 1
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / "found.json").read_text() == "precious"
    run("--force")
    assert json.loads((tmp_path / "found.json").read_text())


LOSS = 'layer { name: "loss" type: "EuclideanLoss" bottom: "x" bottom: "x" %s }'


@pytest.mark.parametrize(
    "text, gradients",
    [
        ("", False),
        (LOSS % "", True),
        (LOSS % 'top: "loss"', True),
        (LOSS % 'top: "loss" loss_weight: 0', False),
        (LOSS % "include { phase: TRAIN }", False),
        ("force_backward: true", True),
    ],
)
def test_gradients_are_compared_where_there_are_any(tmp_path, monkeypatch, capsys, text, gradients):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(f'layer {{ name: "x" type: "Input" top: "x" }} {text}')
    asked = []

    def compare_nets(paths, phase, weights, backward, **_):
        asked.append(backward)
        return {paths[0]: [comparison_row("data", "x", np.ones(2), np.ones(2))]}

    monkeypatch.setattr(compare_engines.engine, "compare_nets", compare_nets)
    assert main.run_module(compare_engines, ["net.prototxt"]) == 0
    assert asked == [gradients]
    assert ("no gradients" in capsys.readouterr().out) is not gradients


def test_layers_that_the_weights_lack_are_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text('layer { name: "x" type: "Input" top: "x" }')
    write_caffemodel(tmp_path / "w.caffemodel", {"conv/1": [np.ones(2, np.float32)]})
    rows = [
        comparison_row("param", f"{name}:0", np.ones(2), np.ones(2)) for name in ("conv/1", "b")
    ]
    monkeypatch.setattr(
        compare_engines.engine, "compare_nets", lambda *a, **k: {"net.prototxt": rows}
    )
    assert main.run_module(compare_engines, ["net.prototxt", "w.caffemodel"]) == 0
    assert "w.caffemodel has nothing for b: " in capsys.readouterr().err
