"""Learning-rate schedules: on the command line, in the log and in the curves, resumed."""

import pytest

from fcnkit import engine
from fcnkit.commands import main
from fcnkit.training import curves

pytestmark = pytest.mark.usefixtures("needs_engine")


def train(*arguments):
    return main.run_module("fcnkit.commands.train", ["solver.prototxt", "-o", "run", *arguments])


def test_warm_up_policy_and_smallest_rate_are_in_log_and_curves(here, data, capsys):
    if engine.name() == "bvlc":
        assert train("--data", data, "--augment", "--lr-policy", "cosine") == 1
        assert 'lr_policy "cosine" (torchcaffe)' in capsys.readouterr().err
        return
    schedule = ["--lr-policy", "cosine", "--warm-up", "2", "--min-lr", "0.02", "--base-lr", "0.1"]
    steps = ["--data", data, "--augment", "--display", "1", "--no-validation", *schedule]
    assert train(*steps, "--iterations", "6", "--snapshot-interval", "3") == 0
    rates = [row["lr"] for row in curves.parse_log("run/train.log") if "lr" in row]
    # Rises with the square of the iteration, never below the smallest; then half a cosine.
    expected = [0.02, 0.025, 0.1, 0.02 + 0.08 * 0.853553, 0.06, 0.02 + 0.08 * 0.146447]
    assert rates == pytest.approx(expected, rel=1e-4)
    header, first, *_ = (here / "run/curves.csv").read_text().splitlines()
    assert dict(zip(header.split(","), first.split(",")))["lr"] == "0.02"


def test_a_smallest_rate_above_the_first_is_refused(here, data, capsys):
    assert train("--data", data, "--augment", "--min-lr", "5") == 1
    assert "min_lr is 5; expected 0 to its base_lr" in capsys.readouterr().err


def test_a_policy_that_nobody_knows_is_refused(here, data, capsys):
    assert train("--data", data, "--augment", "--lr-policy", "cosinus") == 1
    said = capsys.readouterr().err
    assert '"cosinus"' in said and "cosine" in said


def test_solver_fields_that_do_not_run_here_are_refused_before_anything_is_written(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text('layer { name: "a" type: "ReLU" }')
    text = 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1 larc: true'
    (tmp_path / "solver.prototxt").write_text(text)
    assert main.run_module("fcnkit.commands.train", ["solver.prototxt", "-o", "run"]) == 1
    said = capsys.readouterr().err
    assert "larc (NVIDIA Caffe): would change what is computed" in said
    assert "no effect" not in said and not (tmp_path / "run").exists()
