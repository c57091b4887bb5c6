"""What each engine runs to be compared, and what becomes of it, in one process."""

import json
import os
import sys
import types

import numpy as np
import pytest

from caffeformat import InputError, parse_text, pb, read_caffemodel, read_net
from fcnkit import engine
from fcnkit.engine import comparison, runs

NET = """
name: "tiny" force_backward: true
layer { name: "in" type: "Input" top: "x" top: "label"
  input_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 } shape { dim: 2 dim: 1 dim: 4 dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "x" top: "conv"
  convolution_param { num_output: 3 kernel_size: 1 } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "bn" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "bn" bottom: "label" top: "loss" }
layer { name: "more" type: "Power" bottom: "bn" top: "more" power_param { scale: 3 } }
"""
SOLVER = """
base_lr: 0.1 lr_policy: "fixed" momentum: 0.9 random_seed: 5 max_iter: 9 snapshot: 1
net_param {
  layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
  layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param {
    num_output: 2 weight_filler { type: "xavier" } } }
  layer { name: "loss" type: "Reduction" bottom: "ip" top: "loss" loss_weight: 1 }
}
"""


@pytest.fixture(autouse=True)
def torch_engine(monkeypatch):
    pytest.importorskip("torchcaffe")
    monkeypatch.setenv(engine.VARIABLE, "torch")


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    return str(path)


@pytest.fixture
def solver(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "solver.prototxt"
    path.write_text(SOLVER)
    return str(path)


@pytest.fixture
def in_this_process(monkeypatch):
    """Runs the jobs of both engines here, on torchcaffe; yields the commands that were given."""
    commands = []

    def run(command, env, **_):
        assert env[engine.VARIABLE] in ("torch", "bvlc")
        commands.append((env[engine.VARIABLE], command))
        return types.SimpleNamespace(returncode=runs.main([command[-1]]), stdout="")

    monkeypatch.setattr(comparison.subprocess, "run", run)
    return commands


def test_a_net_is_filled_by_the_names_of_its_arrays(net):
    found = runs.run_net(net, "TEST")
    np.testing.assert_array_equal(found["data:x"], runs.random_values("x", (2, 3, 4, 4)))
    weights = runs.random_values("conv:0", (3, 3, 1, 1)) * np.float32(np.sqrt(2 / 3))
    np.testing.assert_array_equal(found["param:conv:0"], weights)
    bias = runs.random_values("conv:1", (3,)) * np.float32(np.sqrt(2 / 200))
    np.testing.assert_array_equal(found["param:conv:1"], bias)
    assert (found["param:bn:1"] >= 0.5).all()  # a variance
    assert found["param:bn:2"].tolist() == [1]
    assert set(np.unique(found["data:label"])) == {0, 1, 2}  # the classes of `bn`


def test_a_pass_is_that_of_the_net(net):
    found = runs.run_net(net, "TEST")
    x, weights = found["data:x"], found["param:conv:0"][:, :, 0, 0]
    conv = np.einsum("oc,nchw->nohw", weights, x) + found["param:conv:1"][:, None, None]
    np.testing.assert_allclose(found["data:conv"], conv, rtol=1e-4, atol=1e-5)
    mean, variance = (found[f"param:bn:{i}"][:, None, None] for i in (0, 1))
    np.testing.assert_allclose(
        found["data:bn"], (conv - mean) / np.sqrt(variance + 1e-5), rtol=1e-4, atol=1e-4
    )
    # A loss starts by itself; other outputs get a gradient that depends on their names.
    outside = runs.random_values("diff of more", (2, 3, 4, 4))
    np.testing.assert_array_equal(found["diff:more"], outside)
    scores = np.exp(found["data:bn"])
    softmax = scores / scores.sum(1, keepdims=True)
    labels = found["data:label"][:, 0].astype(int)
    inside = (softmax - np.eye(3)[labels].transpose(0, 3, 1, 2)) / labels.size
    np.testing.assert_allclose(found["diff:bn"], inside + 3 * outside, rtol=1e-3, atol=1e-4)
    by_conv = found["diff:bn"] / np.sqrt(variance + 1e-5)
    np.testing.assert_allclose(
        found["paramdiff:conv:1"], by_conv.sum((0, 2, 3)), rtol=1e-3, atol=1e-4
    )


def test_a_forward_pass_leaves_no_gradients(net):
    found = runs.run_net(net, "TEST", backward=False)
    assert {key.split(":")[0] for key in found} == {"data", "param"}


def test_weights_of_a_file_replace_random_ones(net, tmp_path):
    opened = engine.open_net(parse_text(NET, pb.NetParameter), "TEST")
    opened.params["conv"][0].data[...] = 7
    opened.save(str(tmp_path / "w.caffemodel"))
    found = runs.run_net(net, "TEST", weights=tmp_path / "w.caffemodel")
    assert (found["param:conv:0"] == 7).all()


def test_accuracy_has_labels_of_its_own_axis(tmp_path):
    text = """
    layer { name: "in" type: "Input" top: "x" top: "y"
      input_param { shape { dim: 5 dim: 2 } shape { dim: 2 } } }
    layer { name: "acc" type: "Accuracy" bottom: "x" bottom: "y" top: "a"
      accuracy_param { axis: 0 } }
    """
    message = parse_text(text, pb.NetParameter)
    opened = engine.open_net(message, "TEST")
    seen = set()
    for turn in range(30):
        runs.fill_inputs(opened, message, turn)
        seen |= set(opened.blobs["y"].data.tolist())
    assert seen == {0, 1, 2, 3, 4}


def test_each_step_has_other_inputs_and_a_row_of_outputs(solver, tmp_path):
    found = runs.run_solver(solver, 3, tmp_path / "start.caffemodel")
    assert found["step:loss"].shape == (3, 1)
    # The loss is linear: its gradient for the weights is the sum of the inputs.
    start = read_caffemodel(tmp_path / "start.caffemodel")["ip"]
    weights, bias = (np.array(blob, np.float64) for blob in start)
    change, change_of_bias = np.zeros_like(weights), np.zeros_like(bias)
    for turn, (loss,) in enumerate(found["step:loss"]):
        x = runs.random_values(f"x@{turn}" if turn else "x", (2, 3))
        assert loss == pytest.approx((x @ weights.T + bias).sum(), rel=1e-4, abs=1e-5)
        change = 0.9 * change + 0.1 * x.sum(0)
        change_of_bias = 0.9 * change_of_bias + 0.1 * 2
        weights, bias = weights - change, bias - change_of_bias
    np.testing.assert_allclose(found["param:ip:0"], weights, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["param:ip:1"], bias, rtol=1e-4, atol=1e-5)


def test_a_run_goes_on_from_weights_or_from_a_solver_state(solver, tmp_path):
    whole = runs.run_solver(solver, 2, tmp_path / "start.caffemodel")
    again = runs.run_solver(solver, 2, tmp_path / "a.caffemodel", tmp_path / "start.caffemodel")
    for key, values in whole.items():
        np.testing.assert_array_equal(again[key], values)
    first = engine.open_solver(solver)
    first.net.params["ip"][0].data[...] = 7
    _, state = first.snapshot()
    runs.run_solver(solver, 0, tmp_path / "b.caffemodel", state=state)
    assert (np.array(read_caffemodel(tmp_path / "b.caffemodel")["ip"][0]) == 7).all()


@pytest.mark.parametrize("field", ["net", "train_net", "train_net_param", "net_param"])
def test_the_training_net_is_found_wherever_a_solver_has_it(field, net, tmp_path):
    value = f'"{net}"' if not field.endswith("_param") else f"{{ {NET} }}"
    (tmp_path / "solver.prototxt").write_text(f"{field}: {value}")
    assert runs.training_net(tmp_path / "solver.prototxt") == read_net(net)


# comparison


def test_an_engine_agrees_with_itself_on_every_array_of_a_net(net, in_this_process):
    rows = comparison.compare_nets([net], root="/")[net]
    assert [name for name, _ in in_this_process] == ["torch", "bvlc"]
    expected = runs.run_net(net, "TEST")
    assert {f"{row.kind}:{row.name}": row.shape for row in rows} == {
        key: values.shape for key, values in expected.items()
    }
    assert all((row.absolute, row.difference, row.problem) == (0, 0, "") for row in rows)


def test_an_engine_agrees_with_itself_on_a_training_run(solver, in_this_process, monkeypatch):
    # The second starts from the weights of the first, whatever its fillers draw.
    real, started = runs.run_solver, []

    def run_solver(path, steps, start, weights=None, **more):
        started.append(weights)
        return real(path, steps, start, weights, **more)

    monkeypatch.setattr(runs, "run_solver", run_solver)
    rows = comparison.compare_solvers(solver, 2, root="/")
    assert started[0] is None and os.path.basename(started[1]) == "start.caffemodel"
    assert {f"{row.kind}:{row.name}" for row in rows} == {"step:loss", "param:ip:0", "param:ip:1"}
    assert all(row.difference == 0 for row in rows)
    assert not [name for name in os.listdir() if "iter" in name]  # no snapshots


def test_a_difference_is_measured(net, in_this_process, monkeypatch):
    real, calls = runs.run_net, []

    def run_net(*args, **more):
        calls.append(None)
        found = real(*args, **more)
        if len(calls) == 2:
            found["data:conv"] = found["data:conv"] + 1
            del found["param:bn:0"]
        return found

    monkeypatch.setattr(runs, "run_net", run_net)
    rows = comparison.compare_nets([net], backward=False, root="/")[net]
    found = {f"{row.kind}:{row.name}": row for row in rows}
    assert found["data:conv"].absolute == pytest.approx(1, rel=1e-4)
    assert found["param:bn:0"].problem == "BVLC Caffe has no such array"
    assert found["data:x"].difference == 0


def test_the_error_of_an_engine_comes_with_its_options(tmp_path, in_this_process, capsys):
    path = tmp_path / "net.prototxt"
    path.write_text('layer { name: "x" type: "Python" top: "x" python_param { module: "evil" } }')
    with pytest.raises(InputError, match=r"(?s)the engine 'torch' failed:\n.*evil") as caught:
        comparison.compare_nets([path])
    assert "evil" in capsys.readouterr().err
    assert "allow_python" in str(caught.value)


def test_a_process_that_dies_is_quoted(net, monkeypatch):
    lines = "\n".join(f"line {number}" for number in range(40))
    died = types.SimpleNamespace(returncode=-11, stdout=lines)
    monkeypatch.setattr(comparison.subprocess, "run", lambda *_, **__: died)
    with pytest.raises(InputError, match="the engine 'torch' failed:\nline 15\n") as caught:
        comparison.compare_nets([net])
    assert str(caught.value).endswith("line 39")


def test_jobs_run_on_the_cpu_and_leave_an_archive_each(net, tmp_path):
    jobs = [
        {"kind": "net", "path": net, "phase": phase, "backward": False, "out": f"{phase}.npz"}
        for phase in ("TRAIN", "TEST")
    ]
    for job in jobs:
        job["out"] = str(tmp_path / job["out"])
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    assert runs.main([str(tmp_path / "jobs.json")]) == 0
    with np.load(tmp_path / "TRAIN.npz") as train, np.load(tmp_path / "TEST.npz") as test:
        np.testing.assert_array_equal(train["data:conv"], test["data:conv"])
        assert np.abs(train["data:bn"] - test["data:bn"]).max() > 0.1  # other statistics
    assert not (tmp_path / "jobs.json.error").exists()


def test_bvlc_caffe_runs_where_it_is_installed_or_in_a_folder_that_sees_the_files(
    tmp_path, monkeypatch
):
    monkeypatch.delenv("FCNKIT_BVLC_ROOT", raising=False)
    assert comparison._python("torch", ["/data"], None) == [sys.executable]
    monkeypatch.setattr(comparison, "has_bvlc", lambda: True)
    assert comparison._python("bvlc", ["/data"], None) == [sys.executable]
    monkeypatch.setenv("PYTHONPATH", f"{os.pathsep}/mine")
    script, *words = comparison._python("bvlc", ["/data", "/more"], tmp_path)
    assert os.access(script, os.X_OK)
    assert words[:5] == ["-b", "/data", "-b", "/more", str(tmp_path)]
    path = words[6].partition("=")[2].split(":")
    assert path[-1] == "/mine" and "" not in path and words[-1] == "python3"
    monkeypatch.setattr(comparison, "has_bvlc", lambda: False)
    monkeypatch.setenv("FCNKIT_BVLC_ROOT", str(tmp_path / "absent"))
    with pytest.raises(InputError, match=r"neither here nor in .*absent: .* pass root=") as caught:
        comparison._python("bvlc", [], None)
    assert caught.value.options.keys() == {"root"}
