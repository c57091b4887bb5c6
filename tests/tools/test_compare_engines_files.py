"""What `fcnkit compare_engines --json` writes, and what it leaves alone."""

import json

import numpy as np
import pytest

from fcnkit import cli
from fcnkit.engine_comparison import comparison_row
from fcnkit.tools import compare_engines


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
    monkeypatch.setattr(compare_engines.engine_comparison, "compare_nets", lambda *a, **k: compared)
    return lambda *rest: cli.run_module(
        compare_engines, ["net.prototxt", "--json", "found.json", *rest]
    )


def test_numbers_that_are_not_finite_are_words_and_null(run, tmp_path, capsys):
    assert run() == 1
    said = capsys.readouterr().out
    assert "blob y: of 2 values NaN or infinite: 1 in torchcaffe, 0 in BVLC Caffe" in said
    rows = json.loads((tmp_path / "found.json").read_text(), parse_constant=pytest.fail)
    assert [row["difference"] for row in rows] == [0, None]
    assert rows[1]["problem"].startswith("of 2 values NaN")


def test_a_file_that_is_there_stays_without_force(run, tmp_path, capsys):
    (tmp_path / "found.json").write_text("precious")
    assert run() == 1
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / "found.json").read_text() == "precious"
    run("--force")
    assert json.loads((tmp_path / "found.json").read_text())
