"""Optimizer: applies summed gradients to weights in Caffe's order: clip, scale, decay, update."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

import torch

from caffeformat import InputError, pb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchcaffe.core import Blob
    from torchcaffe.nets import LearnableParam

    from .update_rules import UpdateRule

# Long parameters are updated in pieces that stay in a core's cache through all the operations.
_PIECE = 1 << 16


class Optimizer:
    """Applies an update rule to the parameters of a net.

    `history` holds `rule.slots` tensors per parameter, as Caffe orders them: the first of every
    parameter, then the second of every parameter.
    """

    def __init__(
        self, solver: pb.SolverParameter, rule: UpdateRule, params: list[LearnableParam]
    ) -> None:
        self.solver, self.rule, self.params = solver, rule, params
        if solver.regularization_type not in ("L1", "L2"):
            raise InputError(
                f'the solver has regularization_type "{solver.regularization_type}"; expected L1 '
                "or L2."
            )
        self.history = [
            torch.zeros(param.blob.shape, device=param.blob.device)
            for _ in range(rule.slots)
            for param in params
        ]

    def apply(self, rate: float, iteration: int) -> None:
        """Update every parameter by its summed gradient; the diff becomes what was subtracted."""
        scale = self._clip_factor() / self.solver.iter_size
        count = len(self.params)
        for index, param in enumerate(self.params):
            if not param.lr_mult and not param.blob.has_gradient:
                continue  # a zero gradient at rate zero: only the history would be touched
            history = self.history[index::count]
            decay = self.solver.weight_decay * param.decay_mult
            self._apply_one(param.blob, history, scale, decay, rate * param.lr_mult, iteration)

    @contextlib.contextmanager
    def undone(self) -> Iterator[None]:
        """Give the parameters the values, up to rounding, that they had before the last `apply`."""
        changed = [param.blob for param in self.params if param.blob.has_gradient]
        now = [blob.tensor().clone() for blob in changed]
        for blob in changed:
            blob.tensor().add_(blob.gradient())
            blob.data_written()
        yield
        for blob, values in zip(changed, now):
            blob.tensor().copy_(values)
            blob.data_written()

    def _clip_factor(self) -> float:
        """Return the factor that limits the L2 norm of all gradients to `clip_gradients`, or 1."""
        limit = self.solver.clip_gradients
        if limit < 0:
            return 1.0
        norm = math.sqrt(
            sum(
                float(param.blob.gradient().norm()) ** 2
                for param in self.params
                if param.blob.has_gradient
            )
        )
        return limit / norm if norm > limit else 1.0

    def _apply_one(
        self,
        blob: Blob,
        history: list[torch.Tensor],
        scale: float,
        decay: float,
        rate: float,
        iteration: int,
    ) -> None:
        flat = [tensor.view(-1) for tensor in (blob.gradient(), blob.tensor(), *history)]
        piece = _PIECE if blob.device.type == "cpu" else blob.count
        for start in range(0, blob.count, piece):
            diff, weights, *past = (tensor[start : start + piece] for tensor in flat)
            if scale != 1:
                diff.mul_(scale)
            if decay and self.solver.regularization_type == "L2":
                diff.add_(weights, alpha=decay)
            elif decay:
                diff.add_(weights.sign(), alpha=decay)
            self.rule.update(diff, past, rate, iteration)
            weights.sub_(diff)
        blob.data_written()
        blob.diff_written()
