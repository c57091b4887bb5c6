"""Resuming with other `stepvalue`s goes on from the state's number of steps, as in BVLC Caffe."""

import pytest

import torchcaffe
from caffeformat import learning_rate, parse_text, pb
from caffeformat.messages import next_step

NET = """
net_param {
  layer {
    name: "d" type: "DummyData" top: "d" top: "t"
    dummy_data_param {
      shape { dim: 2 dim: 3 } shape { dim: 2 dim: 1 }
      data_filler { type: "constant" value: 1 } data_filler { type: "constant" value: 2 }
    }
  }
  layer {
    name: "ip" type: "InnerProduct" bottom: "d" top: "y"
    inner_product_param { num_output: 1 weight_filler { type: "constant" value: 0.1 } }
  }
  layer { name: "e" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "e" }
}
weight_decay: 0.001 momentum: 0.9 base_lr: 0.01 max_iter: 100 lr_policy: "multistep" gamma: 0.1
"""


def _solver(values, prefix):
    text = f'{NET} snapshot_prefix: "{prefix}" ' + " ".join(f"stepvalue: {v}" for v in values)
    return torchcaffe.get_solver(param=parse_text(text, pb.SolverParameter))


# The last numbers are BVLC Caffe's
@pytest.mark.parametrize(
    ("before", "after", "middle", "end"),
    [((3, 5), (9, 20), 0.304179, 0.409950), ((9, 20), (3, 5, 8), 0.364507, 0.557086)],
)
def test_resumed_multistep_as_bvlc(tmp_path, before, after, middle, end):
    solver = _solver(before, tmp_path / "x")
    solver.step(6)
    solver.snapshot()
    solver = _solver(after, tmp_path / "x")
    solver.restore(str(tmp_path / "x_iter_6.solverstate"))
    weights = solver.net.params["ip"][0].data
    assert weights.flat[0] == pytest.approx(middle, abs=1e-6)
    solver.step(4)
    assert weights.flat[0] == pytest.approx(end, abs=1e-6)


def test_an_unbroken_run_lowers_the_rate_at_each_value(tmp_path):
    solver = _solver((3, 5), tmp_path / "x")
    rates = []
    for _ in range(7):
        rates.append(solver.lr)
        solver.step(1)
    assert rates == pytest.approx([learning_rate(solver.param, i) for i in range(7)])
    assert solver.current_step == 2


def test_two_equal_values_take_two_iterations():
    solver = parse_text("stepvalue: 2 stepvalue: 2", pb.SolverParameter)
    steps, found = 0, []
    for iteration in range(4):
        steps = next_step(solver, iteration, steps)
        found.append(steps)
    assert found == [0, 0, 1, 2]
