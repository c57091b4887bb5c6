"""Nets in bfloat16 and float16: weights, losses and statistics stay float32."""

import numpy as np
import pytest
import torch
from residual_net import IMAGES, LABELS, residual_net

import torchcaffe
from caffeformat import InputError, parse_text, pb, read_solver_state
from torchcaffe.core import precision
from torchcaffe.solvers import Solver
from torchcaffe.solvers.loss_scale import LossScale

pytestmark = pytest.mark.both_modes(slow_on_gpu=True)

LOWER = ["bfloat16", "float16"]


def make_solver(name, fields="", prefix=""):
    torchcaffe.set_random_seed(1)
    text = f'lr_policy: "fixed" base_lr: 0.02 momentum: 0.9 snapshot_prefix: "{prefix}" {fields}'
    param = parse_text(text, pb.SolverParameter)
    net = residual_net()
    for layer in net.layer:
        if layer.type == "Dropout":
            layer.dropout_param.dropout_ratio = 0
    param.net_param.CopyFrom(net)
    with precision(name):
        return Solver(param=param)


def step(solver, steps):
    losses = []
    for number in range(steps):
        solver.net.blobs["data"].data[...] = IMAGES[number % 4]
        solver.net.blobs["label"].data[...] = LABELS[number % 4]
        solver.step(1)
        losses.append(float(solver.net.blobs["loss"].data))
    return losses


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("name", LOWER)
@pytest.mark.parametrize("recompute", [False, True])
def test_training_goes_as_in_float32(name, recompute):
    exact, lower = make_solver("float32"), make_solver(name)
    lower.net.training.recompute = recompute
    if lower.loss_scale:
        lower.loss_scale = LossScale(2.0**8)  # none of these gradients overflows
    np.testing.assert_allclose(step(lower, 12), step(exact, 12), rtol=0.05)
    for layer, blobs in lower.net.params.items():
        for mine, theirs in zip(blobs, exact.net.params[layer]):
            assert mine.tensor().dtype == torch.float32
            assert mine.data.dtype == np.float32
            distance = np.abs(mine.data - theirs.data).max()
            assert distance <= 0.05 * max(1, np.abs(theirs.data).max()), layer


@pytest.mark.parametrize("name", LOWER)
def test_what_is_computed_in_which_type(name):
    solver = make_solver(name)
    step(solver, 1)
    blobs, dtype = solver.net.blobs, getattr(torch, name)
    for blob in ("0a", "1b", "2_sum", "pool", "score", "large"):
        assert blobs[blob].tensor().dtype == dtype, blob
    for blob in ("data", "label", "loss", "aux_loss"):
        assert blobs[blob].tensor().dtype == torch.float32, blob
    assert all(history.dtype == torch.float32 for history in solver.optimizer.history)
    assert blobs["0a"].data.dtype == blobs["0a"].diff.dtype == np.float32


@pytest.mark.both_modes
@pytest.mark.parametrize("name", LOWER)
def test_weights_that_a_script_writes_are_those_of_the_next_pass(name):
    """Passes compute with copies in the lower precision, which must not be the ones before."""
    solver = make_solver(name)
    step(solver, 1)
    net, weights = solver.net, solver.net.params["0b"][0].data
    weights *= -2
    net.forward(end="0b")
    expected = net.blobs["0b"].data.copy()
    assert expected.any()
    weights *= 2
    net.forward()
    np.testing.assert_allclose(net.blobs["0b"].data, 2 * expected, rtol=0.02, atol=0.02)
    weights *= 0.5
    lean = net.forward(blobs=["0b"], keep_blobs=False)["0b"]
    np.testing.assert_allclose(lean, expected, rtol=0.02, atol=0.02)
    weights[...] = 0
    step(solver, 1)
    assert not net.blobs["0b"].data.any()


def test_arrays_of_a_lower_precision_are_live():
    solver = make_solver("bfloat16")
    step(solver, 1)
    held = solver.net.blobs["0b"].data
    before = held.copy()
    solver.net.forward()
    assert (held != before).any()
    np.testing.assert_array_equal(held, solver.net.blobs["0b"].data)


@pytest.mark.parametrize("name", LOWER)
def test_passes_that_keep_nothing(name):
    solver = make_solver(name)
    step(solver, 1)
    with precision(name):
        net = torchcaffe.Net(net_param=residual_net(), phase=torchcaffe.TEST)
    net.share_with(solver.net)
    net.blobs["data"].data[...] = IMAGES[0]
    net.blobs["label"].data[...] = LABELS[0]
    whole = net.forward(blobs=["cut"])["cut"].copy()
    lean = net.forward(blobs=["cut"], keep_blobs=False)["cut"]
    np.testing.assert_array_equal(lean, whole)
    assert lean.dtype == np.float32


def test_other_names_are_refused():
    with pytest.raises(InputError, match="float32, bfloat16, float16"):
        torchcaffe.set_precision("double")


# loss scaling


def test_gradients_are_scaled_back():
    """In float32 and with a scale, diffs and weights are those without one."""
    plain, scaled = make_solver("float32"), make_solver("float32")
    scaled.loss_scale = LossScale(2.0**10)
    assert step(plain, 3) == step(scaled, 3)
    for layer, blobs in plain.net.params.items():
        for mine, theirs in zip(scaled.net.params[layer], blobs):
            np.testing.assert_array_equal(mine.data, theirs.data)


def test_a_step_that_overflows_is_skipped():
    solver = make_solver("float16")
    solver.loss_scale = LossScale(2.0**40)
    before = solver.net.params["0a"][0].data.copy()
    step(solver, 1)
    np.testing.assert_array_equal(solver.net.params["0a"][0].data, before)
    assert solver.iter == 1
    assert solver.loss_scale.value == 2.0**39
    solver.loss_scale = LossScale(2.0**8)
    step(solver, 1)
    assert (solver.net.params["0a"][0].data != before).any()


def test_gradients_that_are_never_finite_end_the_run():
    solver = make_solver("float16")
    solver.loss_scale = LossScale(1.0)
    solver.net.params["score"][0].data[...] = np.nan
    with pytest.raises(InputError, match="iteration 0: the gradients"):
        step(solver, 1)


def test_the_scale_grows_with_patience():
    scale = LossScale(4.0, steps=1998)
    assert scale.accept([], 0) and (scale.value, scale.steps) == (4, 1999)
    assert scale.accept([], 1) and (scale.value, scale.steps) == (8, 0)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["BINARYPROTO", "HDF5"])
def test_the_scale_is_saved_and_resumed(format, tmp_path):
    fields = f"snapshot_format: {format}"
    solver = make_solver("float16", fields, tmp_path / "snap")
    solver.loss_scale = LossScale(2.0**9, steps=70)
    step(solver, 2)
    _, state = solver.snapshot()
    expected = step(solver, 3)
    resumed = make_solver("float16", fields, tmp_path / "snap")
    resumed.restore(state)
    assert (resumed.loss_scale.value, resumed.loss_scale.steps) == (2.0**9, 72)
    assert step(resumed, 3) == expected
    # Caffe, and a run in float32, pass over it.
    make_solver("float32", fields, tmp_path / "snap").restore(state)
    if format == "BINARYPROTO":
        message = pb.SolverState()
        with open(state, "rb") as file:
            message.ParseFromString(file.read())
        assert message.iter == 2
    assert read_solver_state(state).loss_scale == 2.0**9


def test_states_of_other_runs_hold_no_scale(tmp_path):
    solver = make_solver("float32", prefix=tmp_path / "snap")
    step(solver, 1)
    assert read_solver_state(solver.snapshot()[1]).loss_scale == 0


def _write_an_array(net, weights):
    net.params["c"][0].data[...] = weights


def _write_a_held_array(net, weights):
    held = net.params["c"][0].data
    held[...] = 0
    lean_scores(net)
    held[...] = weights


def _fill(net, weights):
    net.params["c"][0].fill(torch.from_numpy(weights).to(net.params["c"][0].device))


def _write_into_the_tensor(net, weights):
    net.params["c"][0].tensor().copy_(torch.from_numpy(weights))


def _take_another_tensor(net, weights):
    blob, tensor = net.params["c"][0], torch.from_numpy(weights)
    tensor = tensor.to(blob.device)
    while tensor._version < blob.tensor()._version:
        tensor.add_(0)
    blob.set_data(tensor)


def _share_another_nets(net, weights):
    other = one_filter_net()
    other.params["c"][0].data[...] = 0
    net.share_with(other)
    lean_scores(net)
    other.params["c"][0].data[...] = weights


ONE_FILTER = (
    'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [1, 1, 1, 2] } } }'
    'layer { name: "c" type: "Convolution" bottom: "x" top: "y" '
    "convolution_param { num_output: 1 kernel_size: 1 bias_term: false } }"
)


def one_filter_net():
    message = parse_text(ONE_FILTER, pb.NetParameter)
    return torchcaffe.Net(net_param=message, phase=torchcaffe.TEST)


def lean_scores(net):
    scores = net.forward(keep_blobs=False, x=np.array([[[[1, 2]]]], np.float32))["y"]
    return scores.ravel().tolist()


@pytest.mark.parametrize(
    "change",
    [_write_an_array, _write_a_held_array, _fill, _write_into_the_tensor, _take_another_tensor,
     _share_another_nets],
)  # fmt: skip
def test_weights_stay_converted_until_they_change(monkeypatch, change):
    monkeypatch.setattr("torchcaffe.core.is_native", lambda dtype, kind: True)
    with precision("bfloat16"):
        net = one_filter_net()
    net.params["c"][0].data[...] = 3
    assert lean_scores(net) == [3, 6]
    copies = net._passes.at_once._lower_of_lean._copies[0]
    written = copies[0]._version
    assert lean_scores(net) == [3, 6]
    assert copies[0]._version == written
    change(net, np.full((1, 1, 1, 1), 5, np.float32))
    assert lean_scores(net) == [5, 10]
