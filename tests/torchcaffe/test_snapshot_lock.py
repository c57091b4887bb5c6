"""Two trainings do not write snapshots under one prefix."""

import logging

import pytest

from caffeformat.files import locked
from torchcaffe.commands import main

NET = (
    'layer { name: "x" type: "DummyData" top: "x" dummy_data_param { shape { dim: 1 dim: 2 } '
    'data_filler { type: "constant" value: 1 } } } '
    'layer { name: "y" type: "InnerProduct" bottom: "x" top: "y" '
    "inner_product_param { num_output: 1 } } "
    'layer { name: "loss" type: "Reduction" bottom: "y" top: "loss" loss_weight: 1 }'
)


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("prefix", ["out", ""])
def test_a_second_process_is_told(tmp_path, monkeypatch, capfd, prefix):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    solver = (
        f'net: "net.prototxt" base_lr: 1 lr_policy: "fixed" max_iter: 1 snapshot_prefix: "{prefix}"'
    )
    (tmp_path / "solver.prototxt").write_text(solver)
    logging.getLogger("torchcaffe").setLevel(logging.INFO)
    command = ["train", "-solver=solver.prototxt"]
    prefix = prefix or "solver"
    with locked(f"{prefix}_iter_"):
        assert main(command) == 1
    assert "another process" in capfd.readouterr().err
    assert main(command) == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        "net.prototxt", "solver.prototxt", f"{prefix}_iter_1.caffemodel",
        f"{prefix}_iter_1.solverstate",
    }  # fmt: skip
