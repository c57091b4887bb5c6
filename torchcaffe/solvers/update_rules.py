"""Update rules: how each solver type turns a gradient into an update.

A rule changes `diff` from the gradient into what is subtracted from the weights. `history` is what
it remembers of earlier steps, `slots` arrays per parameter, in Caffe's order and meaning, so that
solver states move between engines.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from caffeformat import pb


class UpdateRule:
    """Base class of the rules, each named as its solver type. `solver` is the SolverParameter."""

    slots = 1

    def __init__(self, solver: pb.SolverParameter) -> None:
        self.momentum, self.delta = solver.momentum, solver.delta
        self.solver = solver
        self.type = type(self).__name__

    def update(
        self, diff: torch.Tensor, history: list[torch.Tensor], rate: float, iteration: int
    ) -> None:
        """Turn the gradient in `diff` into the update, in place, and `history` into the new one.

        `history` has `slots` tensors of the shape of `diff`; `rate` includes lr_mult; `iteration`
        counts from 0.
        """
        raise NotImplementedError


class SGD(UpdateRule):
    """V <- momentum V + rate g; subtracts V. The rate is inside the history."""

    def update(
        self, diff: torch.Tensor, history: list[torch.Tensor], rate: float, iteration: int
    ) -> None:
        (velocity,) = history
        velocity.mul_(self.momentum).add_(diff, alpha=rate)
        diff.copy_(velocity)


class Nesterov(UpdateRule):
    """V <- momentum V + rate g; subtracts (1 + momentum) V - momentum V_before."""

    def update(
        self, diff: torch.Tensor, history: list[torch.Tensor], rate: float, iteration: int
    ) -> None:
        (velocity,) = history
        before = velocity.clone()
        velocity.mul_(self.momentum).add_(diff, alpha=rate)
        diff.copy_(velocity).mul_(1 + self.momentum).sub_(before, alpha=self.momentum)


class AdaGrad(UpdateRule):
    """S <- S + g^2; subtracts rate g / (sqrt(S) + delta)."""

    def update(
        self, diff: torch.Tensor, history: list[torch.Tensor], rate: float, iteration: int
    ) -> None:
        (squares,) = history
        squares.addcmul_(diff, diff)
        diff.div_(squares.sqrt().add_(self.delta)).mul_(rate)


class RMSProp(UpdateRule):
    """S <- d S + (1 - d) g^2 with d = rms_decay; subtracts rate g / (sqrt(S) + delta)."""

    def update(
        self, diff: torch.Tensor, history: list[torch.Tensor], rate: float, iteration: int
    ) -> None:
        (squares,) = history
        decay = self.solver.rms_decay
        squares.mul_(decay).addcmul_(diff, diff, value=1 - decay)
        diff.div_(squares.sqrt().add_(self.delta)).mul_(rate)


class AdaDelta(UpdateRule):
    """Zeiler 2012: the ratio of decayed sums of squared updates and gradients scales g.

    S <- m S + (1 - m) g^2; u = g sqrt((U + delta) / (S + delta)); U <- m U + (1 - m) u^2 with m the
    momentum; subtracts rate u. History: all S, then all U.
    """

    slots = 2

    def update(
        self, diff: torch.Tensor, history: list[torch.Tensor], rate: float, iteration: int
    ) -> None:
        squares, updates = history
        fresh = 1 - self.momentum
        squares.mul_(self.momentum).addcmul_(diff, diff, value=fresh)
        diff.mul_((updates + self.delta).div_(squares + self.delta).sqrt_())
        updates.mul_(self.momentum).addcmul_(diff, diff, value=fresh)
        diff.mul_(rate)


class Adam(UpdateRule):
    """Kingma and Ba 2015, with the bias correction in the rate. History: all means, all squares.

    M <- m M + (1 - m) g; S <- m2 S + (1 - m2) g^2; subtracts
    rate sqrt(1 - m2^t) / (1 - m^t) M / (sqrt(S) + delta) with m the momentum, m2 momentum2.
    """

    slots = 2

    def update(
        self, diff: torch.Tensor, history: list[torch.Tensor], rate: float, iteration: int
    ) -> None:
        means, squares = history
        beta1, beta2, t = self.momentum, self.solver.momentum2, iteration + 1
        means.mul_(beta1).add_(diff, alpha=1 - beta1)
        squares.mul_(beta2).addcmul_(diff, diff, value=1 - beta2)
        correction = math.sqrt(1 - beta2**t) / (1 - beta1**t)
        diff.copy_(means).mul_(rate * correction).div_(squares.sqrt().add_(self.delta))


# Solver type -> rule
RULES: dict[str, type[UpdateRule]] = {
    rule.__name__: rule for rule in (AdaDelta, AdaGrad, Adam, Nesterov, RMSProp, SGD)
}
