"""The measures that compare_engines prints, and what it compares."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from caffeformat import parse_text, pb, read_solver
from fcnkit.engine import comparison, largest_absolute, random_layers, rows_as_data
from fcnkit.engine.comparison import comparison_row
from fcnkit.engine.differences import largest_difference
from fcnkit.engine.runs import quiet_solver

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    "ours, theirs, expected",
    [
        ([1.0, 2.0], [1.0, 2.0], 0),
        ([1.0, 2.0 + 2e-4], [1.0, 2.0], 0.95e-4),
        ([100.0, 2e-4], [100.0, 0.0], 1.9e-4),  # measured against 1% of 100
        ([5e-6], [0.0], 0),
        ([1.0, NAN, INF], [1.0, NAN, INF], 0),
        ([1.0, NAN], [1.0, 2.0], INF),
        ([1.0, 2.0], [1.0, NAN], INF),
        ([INF], [1.0], INF),
        ([1.0, INF], [2.0, INF], 0.499995),  # an infinite element does not hide the others
        ([1.0], [1.0, 1.0], INF),
        ([], [], 0),
    ],
)
def test_difference_is_relative_to_the_element_or_a_part_of_the_largest(ours, theirs, expected):
    found = largest_difference(np.array(ours), np.array(theirs))
    assert found == pytest.approx(expected, rel=1e-6)


def test_the_absolute_difference_passes_over_what_is_not_finite_in_both():
    assert largest_absolute(np.array([1.0, NAN, INF]), np.array([1.5, NAN, INF])) == 0.5
    assert largest_absolute(np.array([1.0, NAN]), np.array([1.0, 2.0])) == INF
    assert largest_absolute(np.array(1.0), np.array(3.0)) == 2
    assert largest_absolute(np.zeros(2), np.zeros(3)) == INF


def test_what_is_not_finite_is_told_in_words_and_null_in_json():
    arrays = {
        "data:x": ([1.0, 2.0], [1.0, 2.0]),
        "data:y": ([NAN, INF], [NAN, 2.0]),
        "diff:y": ([NAN], [NAN]),
        "param:w:0": ([1.0], [1.0, 2.0]),
        "param:w:1": ([1.0], None),
    }
    rows = [
        comparison_row(*key.split(":", 1), *(a if a is None else np.array(a) for a in pair))
        for key, pair in arrays.items()
    ]
    assert [row.problem for row in rows] == [
        "",
        "NaN or infinite, of 2 values: 2 in torchcaffe, 1 in BVLC Caffe",
        "NaN or infinite, of 1 values: 1 in torchcaffe, 1 in BVLC Caffe",
        "its shape is (1,) in torchcaffe, (2,) in BVLC Caffe",
        "BVLC Caffe has no such array",
    ]
    data = json.loads(json.dumps(rows_as_data(rows), allow_nan=False))
    assert [row["difference"] for row in data] == [0, None, 0, None, None]
    assert data[1]["problem"] == rows[1].problem


def test_a_compared_training_neither_tests_nor_leaves_snapshots(tmp_path):
    path = tmp_path / "solver.prototxt"
    path.write_text('net: "n" test_iter: 3 test_interval: 5 snapshot: 2 type: "Adam"')
    quiet_solver(path, tmp_path / "quiet.prototxt")
    solver = read_solver(tmp_path / "quiet.prototxt")
    assert (solver.net, solver.type) == ("n", "Adam")
    assert not solver.test_iter
    assert not solver.HasField("test_interval")
    assert (solver.snapshot, solver.snapshot_after_train) == (0, False)


def test_layers_that_draw_random_numbers_are_named():
    text = """
    layer { name: "data" type: "Data" transform_param { mirror: true } }
    layer { name: "conv" type: "Convolution" }
    layer { name: "drop" type: "Dropout" }
    layer { name: "dummy" type: "DummyData" dummy_data_param { data_filler { type: "gaussian" } } }
    layer { name: "fixed" type: "DummyData" dummy_data_param { data_filler { type: "constant" } } }
    """
    assert random_layers(parse_text(text, pb.NetParameter)) == ["data", "drop", "dummy"]


@pytest.mark.slow
def test_the_engines_import_nothing_from_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("numpy", "json", "fcnkit", "torch", "runpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('this module ran')")
    (tmp_path / "net.prototxt").write_text(
        'layer { name: "x" type: "DummyData" top: "x" dummy_data_param { shape { dim: 2 } } }'
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep)
    job = {"kind": "net", "path": "net.prototxt", "phase": "TEST"}
    comparison._run("torch", [job], str(tmp_path), ["net.prototxt"], None)
    assert (tmp_path / "torch.0.npz").exists()


@pytest.mark.slow
def test_modules_that_lie_beside_a_net_do_not_run(tmp_path):
    (tmp_path / "nyud_layers.py").write_text("raise SystemExit('this module ran')")
    (tmp_path / "net.prototxt").write_text(
        'layer { name: "d" type: "Python" top: "d" '
        'python_param { module: "nyud_layers" layer: "NYUDSegDataLayer" } }'
    )
    job = {"kind": "net", "path": "net.prototxt", "phase": "TEST", "out": "found.npz"}
    (tmp_path / "jobs.json").write_text(json.dumps([job]))
    result = subprocess.run(
        [sys.executable, "-m", "fcnkit.engine", "jobs.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert "this module ran" not in result.stderr
    # pycaffe does not tell a Python layer its own name.
    assert "NYUDSegDataLayer" in result.stderr and ": param_str lacks" in result.stderr
