"""Learning-rate policies: the rate at an iteration from SolverParameter's fields."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from caffeformat.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from . import pb

    Policy = Callable[[pb.SolverParameter, int], float]


# Name -> (function, fields that it needs)
_POLICIES: dict[str, tuple[Policy, tuple[str, ...]]] = {}


def policy(name: str, *fields: str) -> Callable[[Policy], Policy]:
    """Decorator of the function for `lr_policy: "<name>"`, which needs these solver fields."""

    def enter(function: Policy) -> Policy:
        _POLICIES[name] = function, fields
        return function

    return enter


def learning_rate(solver: pb.SolverParameter, iteration: int, steps: int | None = None) -> float:
    """The rate at `iteration` (from 0), before any lr_mult.

    `steps` is how many steps a run with "multistep" has taken, where that is not what `stepvalue`
    says (see `next_step`).

    Raises `InputError` for an unknown policy and for a missing field that it needs.
    """
    if solver.lr_policy not in _POLICIES:
        raise InputError(
            f'the solver has lr_policy "{solver.lr_policy}"; known: {", ".join(sorted(_POLICIES))}.'
        )
    function, fields = _POLICIES[solver.lr_policy]
    for field in ("base_lr", *fields):
        if not solver.HasField(field):
            raise InputError(f'the solver\'s lr_policy "{solver.lr_policy}" needs {field}.')
    if steps is not None and solver.lr_policy == "multistep":
        return float(solver.base_lr * solver.gamma**steps)
    return solver.base_lr * function(solver, iteration)


def next_step(solver: pb.SolverParameter, iteration: int, steps: int) -> int:
    """How many steps "multistep" has taken at `iteration`, after `steps` in the iteration before.

    As Caffe counts them: at most one more per iteration, and never fewer, so that a run that
    resumes with other `stepvalue`s goes on from the number in its state.
    """
    values = solver.stepvalue
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


@policy("sigmoid", "gamma", "stepsize")
def _sigmoid(solver: pb.SolverParameter, iteration: int) -> float:
    return 1 / (1 + math.exp(-solver.gamma * (iteration - solver.stepsize)))
