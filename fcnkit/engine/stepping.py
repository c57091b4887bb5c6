"""Steps a solver, with hooks around each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caffeformat import InputError

from .choice import capabilities, name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .pycaffe import Solver


class Hooks:
    """What `train` calls around each step; a subclass overrides what it needs."""

    def before_step(self, solver: Solver) -> None:
        """Called before each step; `solver.iter` steps have been taken."""

    def after_step(self, solver: Solver) -> bool | None:
        """Called after each step; a true value ends the run."""


def train(solver: Solver, hooks: Hooks, options: Mapping[str, Any]) -> None:
    """Step `solver` until `options["max_iter"]` iterations, with `hooks` around each step.

    Every other option names something that pycaffe cannot express and must be among the engine's
    `capabilities()`; otherwise `InputError` names the engine that lacks it.
    """
    options = dict(options)
    max_iter = options.pop("max_iter")
    missing = sorted(set(options) - capabilities())
    if missing:
        raise InputError(f"the engine {name()!r} cannot do {', '.join(missing)}")
    while solver.iter < max_iter:
        hooks.before_step(solver)
        solver.step(1)
        if hooks.after_step(solver):
            break
