"""Optimizer: applies summed gradients to weights in Caffe's order: clip, scale, decay, update."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

import torch

from caffeformat import InputError, pb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchcaffe.nets import LearnableParam

    from .update_rules import UpdateRule

    _Arrays = list[torch.Tensor]  # a parameter's diff, weights and history

# How many numbers are updated at a time: on a CPU, and (several parameters at once) on a GPU
_PIECE = 1 << 16
_PORTION = 1 << 24


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
        alike: dict[tuple[torch.device, float, float], list[_Arrays]] = {}
        count = len(self.params)
        for index, param in enumerate(self.params):
            blob = param.blob
            if not param.lr_mult and not blob.has_gradient:
                continue  # a zero gradient at rate zero: only the history would be touched
            arrays = [blob.gradient(), blob.tensor(), *self.history[index::count]]
            decay = self.solver.weight_decay * param.decay_mult
            alike.setdefault((blob.device, decay, rate * param.lr_mult), []).append(arrays)
        for (device, decay, own_rate), members in alike.items():
            for piece in _pieces(members) if device.type == "cpu" else _portions(members):
                self._apply(piece, scale, decay, own_rate, iteration)
        for param in self.params:
            if param.lr_mult or param.blob.has_gradient:
                param.blob.data_written()
                param.blob.diff_written()

    @contextlib.contextmanager
    def undone(self) -> Iterator[None]:
        """Give the parameters the values, up to rounding, that they had before the last `apply`."""
        changed = [param.blob for param in self.params if param.blob.has_gradient]
        now = [blob.tensor().clone() for blob in changed]
        try:
            for blob in changed:
                blob.tensor().add_(blob.gradient())
                blob.data_written()
            yield
        finally:
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

    def _apply(
        self, members: list[_Arrays], scale: float, decay: float, rate: float, iteration: int
    ) -> None:
        """Update parameters that have decay and rate in common; each has diff, weights, history."""
        diffs, weights, *history = map(list, zip(*members))
        if scale != 1:
            torch._foreach_mul_(diffs, scale)
        if decay and self.solver.regularization_type == "L2":
            torch._foreach_add_(diffs, weights, alpha=decay)
        elif decay:
            torch._foreach_add_(diffs, torch._foreach_sign(weights), alpha=decay)
        self.rule.update(diffs, history, rate, iteration)
        torch._foreach_sub_(weights, diffs)


def _pieces(members: list[_Arrays]) -> Iterator[list[_Arrays]]:
    """Yield pieces that stay in a core's cache through all the operations."""
    for arrays in members:
        flat = [array.view(-1) for array in arrays]
        for start in range(0, len(flat[0]), _PIECE):
            yield [[array[start : start + _PIECE] for array in flat]]


def _portions(members: list[_Arrays]) -> Iterator[list[_Arrays]]:
    """Yield members together, as many as may have copies at a time."""
    portion: list[_Arrays] = []
    size = 0
    for arrays in members:
        if portion and size + arrays[0].numel() > _PORTION:
            yield portion
            portion, size = [], 0
        portion.append(arrays)
        size += arrays[0].numel()
    if portion:
        yield portion
