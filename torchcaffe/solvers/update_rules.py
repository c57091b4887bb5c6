"""Update rules: how each solver type turns gradients into updates.

A rule changes `diffs` from the gradients into what is subtracted from the weights. `history` is
what it remembers of earlier steps, `slots` arrays per parameter, in Caffe's order and meaning, so
that solver states move between engines.

A rule works on several parameters at a time: on a GPU one kernel then takes a step of all of them,
where each of their own would be over before the next one is started.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from caffeformat import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffeformat import pb

    Tensors = list[torch.Tensor]
    History = Sequence[Tensors]


class UpdateRule:
    """Base class of the rules, each named as its solver type. `solver` is the SolverParameter.

    Raises `InputError` for settings with which the rule computes nothing, as BVLC Caffe does.
    """

    slots = 1
    takes_momentum = True
    shares: tuple[str, ...] = ()  # fields that must be 0 or more and below 1

    def __init__(self, solver: pb.SolverParameter) -> None:
        self.momentum, self.delta = solver.momentum, solver.delta
        self.solver = solver
        self.type = type(self).__name__
        if self.momentum and not self.takes_momentum:
            raise InputError(
                f'the solver has momentum {self.momentum:g}, but type "{self.type}" takes none; '
                "remove momentum, or choose another type."
            )
        for field in self.shares:
            value = getattr(solver, field)
            if not 0 <= value < 1:
                raise InputError(
                    f'the solver has {field} {value:g}; type "{self.type}" needs 0 or more and '
                    "less than 1."
                )

    def update(self, diffs: Tensors, history: History, rate: float, iteration: int) -> None:
        """Turn the gradients in `diffs` into the updates, in place, and `history` into the new one.

        `history` has `slots` lists of tensors of the shapes of `diffs`; `rate` includes lr_mult;
        `iteration` counts from 0.
        """
        raise NotImplementedError

    def divide_by_root(self, diffs: Tensors, squares: Tensors) -> None:
        """Divide `diffs` by sqrt(`squares`) + delta."""
        roots = torch._foreach_sqrt(squares)
        torch._foreach_add_(roots, self.delta)
        torch._foreach_div_(diffs, roots)


class SGD(UpdateRule):
    """V <- momentum V + rate g; subtracts V. The rate is inside the history."""

    def update(self, diffs: Tensors, history: History, rate: float, iteration: int) -> None:
        (velocities,) = history
        torch._foreach_mul_(velocities, self.momentum)
        torch._foreach_add_(velocities, diffs, alpha=rate)
        torch._foreach_copy_(diffs, velocities)


class Nesterov(UpdateRule):
    """V <- momentum V + rate g; subtracts (1 + momentum) V - momentum V_before."""

    def update(self, diffs: Tensors, history: History, rate: float, iteration: int) -> None:
        (velocities,) = history
        before = [velocity.clone() for velocity in velocities]
        torch._foreach_mul_(velocities, self.momentum)
        torch._foreach_add_(velocities, diffs, alpha=rate)
        torch._foreach_copy_(diffs, velocities)
        torch._foreach_mul_(diffs, 1 + self.momentum)
        torch._foreach_sub_(diffs, before, alpha=self.momentum)


class AdaGrad(UpdateRule):
    """S <- S + g^2; subtracts rate g / (sqrt(S) + delta)."""

    takes_momentum = False

    def update(self, diffs: Tensors, history: History, rate: float, iteration: int) -> None:
        (squares,) = history
        torch._foreach_addcmul_(squares, diffs, diffs)
        self.divide_by_root(diffs, squares)
        torch._foreach_mul_(diffs, rate)


class RMSProp(UpdateRule):
    """S <- d S + (1 - d) g^2 with d = rms_decay; subtracts rate g / (sqrt(S) + delta)."""

    takes_momentum = False
    shares = ("rms_decay",)

    def update(self, diffs: Tensors, history: History, rate: float, iteration: int) -> None:
        (squares,) = history
        decay = self.solver.rms_decay
        torch._foreach_mul_(squares, decay)
        torch._foreach_addcmul_(squares, diffs, diffs, value=1 - decay)
        self.divide_by_root(diffs, squares)
        torch._foreach_mul_(diffs, rate)


class AdaDelta(UpdateRule):
    """Zeiler 2012: the ratio of decayed sums of squared updates and gradients scales g.

    S <- m S + (1 - m) g^2; u = g sqrt((U + delta) / (S + delta)); U <- m U + (1 - m) u^2 with m the
    momentum; subtracts rate u. History: all S, then all U.
    """

    slots = 2

    def update(self, diffs: Tensors, history: History, rate: float, iteration: int) -> None:
        squares, updates = history
        fresh = 1 - self.momentum
        torch._foreach_mul_(squares, self.momentum)
        torch._foreach_addcmul_(squares, diffs, diffs, value=fresh)
        ratios = torch._foreach_add(updates, self.delta)
        torch._foreach_div_(ratios, torch._foreach_add(squares, self.delta))
        torch._foreach_sqrt_(ratios)
        torch._foreach_mul_(diffs, ratios)
        torch._foreach_mul_(updates, self.momentum)
        torch._foreach_addcmul_(updates, diffs, diffs, value=fresh)
        torch._foreach_mul_(diffs, rate)


class Adam(UpdateRule):
    """Kingma and Ba 2015, with the bias correction in the rate. History: all means, all squares.

    M <- m M + (1 - m) g; S <- m2 S + (1 - m2) g^2; subtracts
    rate sqrt(1 - m2^t) / (1 - m^t) M / (sqrt(S) + delta) with m the momentum, m2 momentum2.
    """

    slots = 2
    shares = ("momentum", "momentum2")

    def update(self, diffs: Tensors, history: History, rate: float, iteration: int) -> None:
        means, squares = history
        beta1, beta2, t = self.momentum, self.solver.momentum2, iteration + 1
        torch._foreach_mul_(means, beta1)
        torch._foreach_add_(means, diffs, alpha=1 - beta1)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, diffs, diffs, value=1 - beta2)
        correction = math.sqrt(1 - beta2**t) / (1 - beta1**t)
        torch._foreach_copy_(diffs, means)
        torch._foreach_mul_(diffs, rate * correction)
        self.divide_by_root(diffs, squares)


# Solver type -> rule
RULES: dict[str, type[UpdateRule]] = {
    rule.__name__: rule for rule in (AdaDelta, AdaGrad, Adam, Nesterov, RMSProp, SGD)
}
