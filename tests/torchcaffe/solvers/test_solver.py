"""The training loop around the numbers: log lines, tests, snapshots, callbacks, bad solvers."""

import dataclasses
import io
import re

import numpy as np
import pytest

import torchcaffe
from caffeformat import (
    InputError,
    learning_rate,
    parse_text,
    pb,
    read_caffemodel,
    read_solver_state,
    write_solver_state,
)
from torchcaffe import log
from torchcaffe.solvers import Solver

pytestmark = pytest.mark.both_modes

NET = """
name: "tiny"
layer { name: "x" type: "DummyData" top: "x" top: "y"
  dummy_data_param { shape { dim: 4 dim: 3 } shape { dim: 4 }
    data_filler { type: "constant" value: 1 } data_filler { type: "constant" value: 2 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
  inner_product_param { num_output: 3 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "y" top: "loss" }
layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "y" top: "acc" include { phase: TEST } }
"""
SOLVER = 'lr_policy: "step" base_lr: 0.5 gamma: 0.1 stepsize: 2 momentum: 0.9 max_iter: 4'


def make_solver(fields="", net=NET, base=SOLVER):
    param = parse_text(f"{base} {fields}", pb.SolverParameter)
    param.net_param.CopyFrom(parse_text(net, pb.NetParameter))
    return Solver(param=param)


@pytest.fixture
def lines():
    stream = io.StringIO()
    handler = log.attach(stream)
    yield lambda: stream.getvalue().splitlines()
    log.detach(handler)


def test_a_test_of_no_batch_has_no_outputs_and_no_loss(lines):
    # As in BVLC Caffe, which leaves its loop at once and divides the loss, 0, by 0
    solver = make_solver("test_iter: 0 test_interval: 1 test_compute_loss: true")
    assert solver.test() == {}
    solver.step(1)
    text = "\n".join(lines())
    assert text.count("Testing net (#0)") == 2 and text.count("Test loss: nan") == 2
    assert "Test net output" not in text


def test_log_lines_are_those_that_parsers_look_for(lines, tmp_path):
    solver = make_solver(
        f'display: 2 test_iter: 3 test_interval: 2 snapshot_prefix: "{tmp_path}/run"'
    )
    solver.solve()
    text = "\n".join(lines())
    glog = r"I\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ "
    for pattern in (
        r"solver\.cpp:\d+\] Solving tiny",
        r"solver\.cpp:\d+\] Iteration 2 \(\S+ iter/s, \S+s/2 iters\), loss = \S+",
        r"solver\.cpp:\d+\]     Train net output #0: loss = \S+ \(\* 1 = \S+ loss\)",
        r"sgd_solver\.cpp:\d+\] Iteration 2, lr = 0.05",
        r"solver\.cpp:\d+\] Iteration 2, Testing net \(#0\)",
        r"solver\.cpp:\d+\]     Test net output #0: acc = 1",
        r"solver\.cpp:\d+\]     Test net output #1: loss = \S+ \(\* 1 = \S+ loss\)",
        r"solver\.cpp:\d+\] Optimization Done\.",
    ):
        assert re.search(rf"^{glog}{pattern}$", text, re.M), pattern
    assert re.search(
        rf"Snapshotting to binary proto file {tmp_path}/run_iter_4\.caffemodel\n"
        rf"{glog}sgd_solver\.cpp:\d+\] Snapshotting solver state to binary proto file "
        rf"{tmp_path}/run_iter_4\.solverstate",
        text,
    )


@pytest.mark.parametrize(("form", "ending"), [("BINARYPROTO", ""), ("HDF5", ".h5")])
def test_run_goes_on_from_a_snapshot_as_if_unbroken(tmp_path, form, ending):
    fields = f'snapshot: 2 snapshot_prefix: "{tmp_path}/run" snapshot_format: {form}'
    unbroken = make_solver(fields)
    unbroken.step(4)
    assert read_solver_state(tmp_path / f"run_iter_2.solverstate{ending}").iter == 2
    weights = read_caffemodel(tmp_path / f"run_iter_4.caffemodel{ending}")
    np.testing.assert_array_equal(weights["ip"][0], unbroken.net.params["ip"][0].data)

    resumed = make_solver(fields)
    resumed.restore(tmp_path / f"run_iter_2.solverstate{ending}")
    resumed.step(2)
    assert resumed.iter == 4
    for mine, theirs in zip(resumed.net.params["ip"], unbroken.net.params["ip"]):
        np.testing.assert_array_equal(mine.data, theirs.data)


def test_solver_state_is_found_with_its_weights_after_both_moved(tmp_path):
    solver = make_solver(f'snapshot_prefix: "{tmp_path}/run"')
    solver.step(1)
    solver.snapshot()
    (tmp_path / "elsewhere").mkdir()
    for name in ("run_iter_1.caffemodel", "run_iter_1.solverstate"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    make_solver().restore(tmp_path / "elsewhere" / "run_iter_1.solverstate")
    (tmp_path / "elsewhere" / "run_iter_1.caffemodel").unlink()
    with pytest.raises(InputError, match="neither there nor beside"):
        make_solver().restore(tmp_path / "elsewhere" / "run_iter_1.solverstate")


def test_a_state_of_old_releases_whose_history_has_four_axes_is_restored(tmp_path):
    fields = f'snapshot_prefix: "{tmp_path}/run"'
    solver = make_solver(fields)
    solver.step(2)
    _, path = solver.snapshot()
    state = read_solver_state(path)
    four = [array.reshape((1,) * (4 - array.ndim) + array.shape) for array in state.history]
    write_solver_state(path, dataclasses.replace(state, history=four))
    resumed = make_solver(fields)
    resumed.restore(path)
    for one in (solver, resumed):
        one.step(1)
    np.testing.assert_array_equal(resumed.net.params["ip"][0].data, solver.net.params["ip"][0].data)


def test_state_of_another_solver_or_net_is_refused(tmp_path):
    solver = make_solver(f'snapshot_prefix: "{tmp_path}/run"')
    solver.step(1)
    _, state = solver.snapshot()
    with pytest.raises(InputError, match=r"holds 2 history blobs.* has 4"):
        make_solver('type: "Adam"').restore(state)


def test_test_net_follows_the_weights(lines):
    solver = make_solver("test_iter: 2 test_interval: 100 test_initialization: false")
    before = solver.test()["acc"][0]
    solver.step(1)
    assert (before, solver.test()["acc"][0]) == (0.0, 1.0)
    assert "acc" not in solver.net.blobs


def test_average_loss_smooths_what_is_shown():
    solver = make_solver("average_loss: 2")
    losses = []
    solver.add_callback(lambda: None, lambda: losses.append(float(solver.net.loss())))
    solver.step(3)
    assert solver.smoothed_loss == pytest.approx(np.mean(losses[-2:]))
    assert losses[0] == pytest.approx(np.log(3))


def test_callbacks_surround_the_gradients():
    solver, seen = make_solver(), []
    solver.add_callback(
        lambda: seen.append("start"),
        lambda: seen.append(bool(solver.net.params["ip"][0].diff.any())),
    )
    solver.step(2)
    assert seen == ["start", True, "start", True]


def test_diff_is_the_update_after_a_step():
    solver = make_solver()
    before = solver.net.params["ip"][0].data.copy()
    solver.step(1)
    blob = solver.net.params["ip"][0]
    np.testing.assert_allclose(blob.data, before - blob.diff, rtol=1e-6)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ('type: "Adamm"', 'no solver of type "Adamm"'),
        ('regularization_type: "L3"', '"L3"; expected L1'),
        ("iter_size: 0", "iter_size must be 1"),
        ("test_iter: 2", "but its test_interval is 0"),
        ('train_net: "x"', "exactly one of net"),
    ],
)
def test_solver_that_cannot_be_is_refused(fields, problem):
    with pytest.raises(InputError, match=problem):
        make_solver(fields)


def test_policy_that_lacks_a_field_is_refused():
    with pytest.raises(InputError, match='"poly" needs power'):
        make_solver(base='lr_policy: "poly" base_lr: 1 max_iter: 10')
    with pytest.raises(InputError, match='lr_policy "stpe"; known: cosine, exp, fixed'):
        make_solver(base='lr_policy: "stpe" base_lr: 1')


def test_poly_ends_at_zero():
    param = parse_text('lr_policy: "poly" base_lr: 0.1 power: 0.9 max_iter: 10', pb.SolverParameter)
    assert learning_rate(param, 0) == pytest.approx(0.1)
    assert learning_rate(param, 5) == pytest.approx(0.1 * 0.5**0.9)
    assert learning_rate(param, 10) == 0


def test_solver_finds_its_net_beside_its_file(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(f'net: "net.prototxt" {SOLVER}')
    solver = torchcaffe.get_solver(str(tmp_path / "solver.prototxt"))
    assert solver.net.name == "tiny"
    assert torchcaffe.AdamSolver(tmp_path / "solver.prototxt").optimizer.rule.type == "Adam"


def test_debug_info_says_where_numbers_ceased_to_be():
    solver = make_solver("debug_info: true")
    solver.step(1)
    solver.net.params["ip"][1].data[1] = np.nan
    with pytest.raises(InputError, match='iteration 1: layer "ip" is the first whose top, "ip"'):
        solver.step(1)


def test_steps_that_a_script_takes_by_itself_are_those_of_the_solver():
    by_hand, by_step = make_solver(), make_solver()
    by_step.share_weights(by_hand.net)
    by_step.net.params["ip"][0].data[...] = start = np.full((3, 3), 0.1, np.float32)
    rates = []
    for _ in range(4):
        by_hand.net.clear_param_diffs()
        by_hand.net.forward()
        by_hand.net.backward()
        rates.append(by_hand.lr)
        by_hand.apply_update()
    found = by_hand.net.params["ip"][0].data.copy()
    np.testing.assert_allclose(rates, [0.5, 0.5, 0.05, 0.05])
    assert by_hand.iter == 4
    by_hand.net.params["ip"][0].data[...] = start
    by_hand.net.params["ip"][1].data[...] = 0
    by_step.step(4)
    np.testing.assert_array_equal(by_step.net.params["ip"][0].data, found)
