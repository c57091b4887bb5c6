import math

import pytest

from caffeformat import InputError, learning_rate, parse_text, pb
from caffeformat.messages import current_step


@pytest.mark.parametrize(
    ("text", "iteration", "expected"),
    [
        ('lr_policy: "fixed"', 7, 0.1),
        ('lr_policy: "step" gamma: 0.5 stepsize: 10', 29, 0.025),
        ('lr_policy: "step" gamma: 0.5 stepsize: 1', 2, 0.025),
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


def test_a_step_of_no_length_is_refused():
    with pytest.raises(InputError, match=r"stepsize of 1 or more, found 0"):
        learning_rate(
            parse_text('base_lr: 1 lr_policy: "step" gamma: 1 stepsize: 0', pb.SolverParameter), 3
        )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('lr_policy: "fixed"', 0),
        ('lr_policy: "step" gamma: 0.5 stepsize: 10', 2),
        ('lr_policy: "multistep" gamma: 0.1 stepvalue: 5 stepvalue: 29 stepvalue: 30', 2),
    ],
)
def test_current_step_counts_the_steps_that_were_reached(text, expected):
    assert current_step(parse_text(text, pb.SolverParameter), 29) == expected
