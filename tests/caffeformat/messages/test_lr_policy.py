import math

import pytest

from caffeformat import InputError, learning_rate, parse_text, pb
from caffeformat.messages import current_step, fork_additions, next_step


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
        ('lr_policy: "sigmoid" gamma: 1 stepsize: 2000', 0, 0),
        ('lr_policy: "sigmoid" gamma: -1 stepsize: 4', 2000, 0),
        ('lr_policy: "sigmoid" gamma: -1 stepsize: 2000', 4, 0.1),
        ('lr_policy: "cosine" max_iter: 90', 0, 0.1),
        ('lr_policy: "cosine" max_iter: 90', 30, 0.075),
        ('lr_policy: "cosine" max_iter: 90', 90, 0),
        ('lr_policy: "cosine" max_iter: 90 min_lr: 0.02', 30, 0.08),
        ('lr_policy: "cosine" max_iter: 90 min_lr: 0.02', 95, 0.02),
        ('lr_policy: "linear" max_iter: 50 min_lr: 0.05', 40, 0.06),
        # NVIDIA Caffe's fields, with the values of its formulae
        ('lr_policy: "poly" power: 2 max_iter: 100 min_lr: 0.02', 50, 0.04),
        ('lr_policy: "exp" gamma: 0.5 min_lr: 0.01', 9, 0.01),
        ('lr_policy: "fixed" rampup_interval: 10', 0, 0),
        ('lr_policy: "fixed" rampup_interval: 10', 5, 0.025),
        ('lr_policy: "fixed" rampup_interval: 10 rampup_lr: 0.02', 5, 0.04),
        ('lr_policy: "fixed" rampup_interval: 10 min_lr: 0.01', 1, 0.01),
        ('lr_policy: "step" gamma: 0.1 stepsize: 4 rampup_interval: 10', 10, 0.001),
        ('lr_policy: "multistep" gamma: 0.1 stepvalue: 4 rampup_interval: 10', 5, 0.025),
        # Our own policies begin to fall behind the warm-up.
        ('lr_policy: "linear" max_iter: 50 rampup_interval: 10', 10, 0.1),
        ('lr_policy: "linear" max_iter: 50 rampup_interval: 10', 30, 0.05),
    ],
)
def test_policies(text, iteration, expected):
    solver = parse_text("base_lr: 0.1 " + text, pb.SolverParameter)
    assert learning_rate(solver, iteration) == pytest.approx(expected, rel=1e-6)


def test_an_unknown_policy_is_named():
    with pytest.raises(InputError, match=r'"warm".*poly'):
        learning_rate(parse_text('lr_policy: "warm"', pb.SolverParameter), 0)


@pytest.mark.parametrize("least", ["0.2", "-0.1"])
def test_a_smallest_rate_above_the_first_is_refused(least):
    text = f'base_lr: 0.1 lr_policy: "fixed" min_lr: {least}'
    with pytest.raises(InputError, match=r"min_lr is -?0\.\d; expected 0 to its base_lr, 0\.1"):
        learning_rate(parse_text(text, pb.SolverParameter), 0)


@pytest.mark.parametrize(
    ("text", "iteration", "values"),
    [
        ('"poly" power: 0.9 max_iter: 2', 3, "power 0.9, max_iter 2"),
        ('"poly" power: 1 max_iter: 0', 0, "power 1, max_iter 0"),
        ('"poly" power: -1 max_iter: 2', 2, "power -1, max_iter 2"),
        ('"exp" gamma: 10', 40, "gamma 10"),
        ('"exp" gamma: 10', 4000, "gamma 10"),
        ('"step" gamma: 1e30 stepsize: 1', 2, "gamma 1e\\+30, stepsize 1"),
        ('"multistep" gamma: 1e38 stepvalue: 1 stepvalue: 2', 2, "gamma 1e\\+38"),
    ],
)
def test_a_rate_that_is_no_number_is_refused(text, iteration, values):
    solver = parse_text("base_lr: 0.1 lr_policy: " + text, pb.SolverParameter)
    words = f"gives no rate at iteration {iteration} \\(base_lr 0.1, {values}\\)"
    with pytest.raises(InputError, match=words):
        learning_rate(solver, iteration)


@pytest.mark.parametrize("name", ["step", "exp", "inv", "multistep"])
def test_powers_of_a_gamma_below_0_are_refused(name):
    text = f'base_lr: 0.1 lr_policy: "{name}" gamma: -0.5 power: 1 stepsize: 1'
    with pytest.raises(InputError, match=rf'"{name}" needs a gamma of 0 or more, found -0\.5'):
        learning_rate(parse_text(text, pb.SolverParameter), 0)


def test_no_step_is_counted_during_the_warm_up():
    text = 'lr_policy: "multistep" stepvalue: 2 stepvalue: 3 rampup_interval: 5'
    solver, steps = parse_text(text, pb.SolverParameter), []
    for iteration in range(8):
        steps.append(next_step(solver, iteration, steps[-1] if steps else 0))
    assert steps == [0, 0, 0, 0, 0, 1, 2, 2]


def test_bvlc_caffe_is_said_not_to_have_our_policies():
    solver = parse_text('lr_policy: "cosine" min_lr: 0.1', pb.SolverParameter)
    found = fork_additions(solver)
    assert 'lr_policy "cosine" (torchcaffe)' in found and len(found) == 2
    assert not fork_additions(parse_text('lr_policy: "poly"', pb.SolverParameter))


@pytest.mark.parametrize("name", ["step", "sigmoid"])
def test_a_step_of_no_length_is_refused(name):
    text = f'base_lr: 1 lr_policy: "{name}" gamma: 1 stepsize: 0'
    with pytest.raises(InputError, match=rf'"{name}" needs a stepsize of 1 or more, found 0'):
        learning_rate(parse_text(text, pb.SolverParameter), 3)


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
