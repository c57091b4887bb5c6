"""Learning-rate policies: the rate at an iteration from SolverParameter's fields.

Caffe's policies, NVIDIA Caffe's fields (`rampup_interval` and `rampup_lr`, a warm-up; `min_lr`, the
smallest rate), and two policies of our own, "cosine" and "linear".
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from caffeformat.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from . import pb

    Policy = Callable[[pb.SolverParameter, int], float]


# Name -> (function, fields that it needs); a function's value is a share of base_lr - min_lr in the
# policies of `_TO_MIN_LR`, which fall from base_lr to min_lr, and of base_lr in all others.
_POLICIES: dict[str, tuple[Policy, tuple[str, ...]]] = {}
_TO_MIN_LR = ("poly", "cosine", "linear")
# Policies that BVLC Caffe, too, refuses with a gamma below 0; "sigmoid" falls with one.
_OF_POWERS = ("step", "exp", "inv", "multistep")
_MOST = 3.4028235e38  # a rate is a number of 32 bits
# Policies that BVLC Caffe does not have.
OWN_POLICIES = ("cosine", "linear")


def policy(name: str, *fields: str) -> Callable[[Policy], Policy]:
    """Decorator of the function for `lr_policy: "<name>"`, which needs these solver fields."""

    def enter(function: Policy) -> Policy:
        _POLICIES[name] = function, fields
        return function

    return enter


def learning_rate(solver: pb.SolverParameter, iteration: int, steps: int | None = None) -> float:
    """The rate at `iteration` (from 0), before any lr_mult.

    In the first `rampup_interval` iterations it rises from `rampup_lr` to base_lr with the square
    of the iteration, whatever the policy, as in NVIDIA Caffe; it never falls below `min_lr`.

    `steps` is how many steps a run with "multistep" has taken, where that is not what `stepvalue`
    says (see `next_step`).

    Raises `InputError` for an unknown policy, for a missing field that it needs, for a min_lr above
    base_lr, and for fields that give no rate at this iteration ("poly" past max_iter with a power
    that is not whole).
    """
    if solver.lr_policy not in _POLICIES:
        raise InputError(
            f'the solver has lr_policy "{solver.lr_policy}"; known: {", ".join(sorted(_POLICIES))}.'
        )
    function, fields = _POLICIES[solver.lr_policy]
    for field in ("base_lr", *fields):
        if not solver.HasField(field):
            raise InputError(f'the solver\'s lr_policy "{solver.lr_policy}" needs {field}.')
    base, least, warm_up = solver.base_lr, solver.min_lr, solver.rampup_interval
    if not 0 <= least <= base and (least or base):
        raise InputError(
            f"the solver's min_lr is {least:g}; expected 0 to its base_lr, {base:g}: set another."
        )
    if solver.gamma < 0 and solver.lr_policy in _OF_POWERS:
        raise InputError(
            f'the solver\'s lr_policy "{solver.lr_policy}" needs a gamma of 0 or more, found '
            f"{solver.gamma:g}."
        )
    if iteration < warm_up:
        share = (iteration / warm_up) ** 2
        rate = solver.rampup_lr + (base - solver.rampup_lr) * share
    else:
        share = _share(solver, function, iteration, steps)
        lowest = least if solver.lr_policy in _TO_MIN_LR else 0.0
        rate = lowest + (base - lowest) * share
    if not abs(rate) <= _MOST:
        values = ", ".join(f"{field} {getattr(solver, field):g}" for field in ("base_lr", *fields))
        raise InputError(
            f'the solver\'s lr_policy "{solver.lr_policy}" gives no rate at iteration {iteration} '
            f"({values}); {'rates end at max_iter' if 'max_iter' in fields else 'change these'}."
        )
    return float(max(rate, least) if least else rate)


def _share(
    solver: pb.SolverParameter, function: Policy, iteration: int, steps: int | None
) -> float:
    """The share that `function` gives, NaN where it gives no real number."""
    try:
        if steps is not None and solver.lr_policy == "multistep":
            share = solver.gamma**steps
        else:
            share = function(solver, iteration)
    except ArithmeticError:  # a division by zero, or more than a float holds
        return math.nan
    # A broken power of a number below 0 is complex in Python.
    return math.nan if isinstance(share, complex) else share


def next_step(solver: pb.SolverParameter, iteration: int, steps: int) -> int:
    """How many steps "multistep" has taken at `iteration`, after `steps` in the iteration before.

    As Caffe counts them: at most one more per iteration, none during the warm-up, and never fewer,
    so that a run that resumes with other `stepvalue`s goes on from the number in its state.
    """
    values = solver.stepvalue
    if iteration < solver.rampup_interval:
        return steps
    return steps + (steps < len(values) and iteration >= values[steps])


def current_step(solver: pb.SolverParameter, iteration: int) -> int:
    """How many steps "step" and "multistep" have taken by `iteration`; 0 for other policies."""
    if solver.lr_policy == "step":
        return iteration // solver.stepsize
    if solver.lr_policy == "multistep":
        reached = 0
        for value in solver.stepvalue:
            if iteration < value:
                break
            reached += 1
        return reached
    return 0


@policy("fixed")
def _fixed(solver: pb.SolverParameter, iteration: int) -> float:
    return 1.0


@policy("step", "gamma", "stepsize")
def _step(solver: pb.SolverParameter, iteration: int) -> float:
    if solver.stepsize < 1:
        raise InputError(
            f'lr_policy "step" needs a stepsize of 1 or more, found {solver.stepsize}.'
        )
    return solver.gamma ** current_step(solver, iteration)


@policy("exp", "gamma")
def _exp(solver: pb.SolverParameter, iteration: int) -> float:
    return solver.gamma**iteration


@policy("inv", "gamma", "power")
def _inv(solver: pb.SolverParameter, iteration: int) -> float:
    return (1 + solver.gamma * iteration) ** -solver.power


@policy("multistep", "gamma")
def _multistep(solver: pb.SolverParameter, iteration: int) -> float:
    return solver.gamma ** current_step(solver, iteration)


@policy("poly", "power", "max_iter")
def _poly(solver: pb.SolverParameter, iteration: int) -> float:
    """Falls to 0 at max_iter."""
    return (1 - iteration / solver.max_iter) ** solver.power


def _done(solver: pb.SolverParameter, iteration: int) -> float:
    """The share of the run behind the warm-up that is done at `iteration`, from 0 to 1."""
    start = solver.rampup_interval
    return min(1.0, (iteration - start) / max(1, solver.max_iter - start))


@policy("cosine", "max_iter")
def _cosine(solver: pb.SolverParameter, iteration: int) -> float:
    """Falls to 0 at max_iter along half a cosine (Loshchilov and Hutter, 2017, no restarts)."""
    return (1 + math.cos(math.pi * _done(solver, iteration))) / 2


@policy("linear", "max_iter")
def _linear(solver: pb.SolverParameter, iteration: int) -> float:
    """Falls to 0 at max_iter along a straight line."""
    return 1 - _done(solver, iteration)


@policy("sigmoid", "gamma", "stepsize")
def _sigmoid(solver: pb.SolverParameter, iteration: int) -> float:
    if solver.stepsize < 1:
        raise InputError(
            f'lr_policy "sigmoid" needs a stepsize of 1 or more, found {solver.stepsize}.'
        )
    x = solver.gamma * (iteration - solver.stepsize)
    small = math.exp(-abs(x))  # exp(-x) overflows far below the middle
    return (1 if x >= 0 else small) / (1 + small)
