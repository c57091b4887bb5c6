import math

import pytest

from caffeformat import InputError, parse_text, pb
from caffeformat.lr_policy import learning_rate


@pytest.mark.parametrize(
    ("text", "iteration", "expected"),
    [
        ('lr_policy: "fixed"', 7, 0.1),
        ('lr_policy: "step" gamma: 0.5 stepsize: 10', 29, 0.025),
        ('lr_policy: "exp" gamma: 0.9', 3, 0.1 * 0.9**3),
        ('lr_policy: "inv" gamma: 0.1 power: 0.75', 20, 0.1 * 3**-0.75),
        ('lr_policy: "multistep" gamma: 0.1 stepvalue: 5 stepvalue: 8', 8, 0.001),
        ('lr_policy: "poly" power: 2 max_iter: 100', 50, 0.025),
        ('lr_policy: "sigmoid" gamma: -0.2 stepsize: 4', 4, 0.05),
        ('lr_policy: "sigmoid" gamma: 0.5 stepsize: 4', 6, 0.1 / (1 + math.exp(-1))),
    ],
)
def test_policies(text, iteration, expected):
    solver = parse_text("base_lr: 0.1 " + text, pb.SolverParameter)
    assert learning_rate(solver, iteration) == pytest.approx(expected, rel=1e-6)


def test_an_unknown_policy_is_named():
    with pytest.raises(InputError, match=r'"warm".*poly'):
        learning_rate(parse_text('lr_policy: "warm"', pb.SolverParameter), 0)
