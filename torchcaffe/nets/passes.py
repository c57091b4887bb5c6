"""Passes over a list of Steps, forward and backward, and arrays passed through in batches."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from caffeformat import InputError

from .at_once import AtOnce
from .fusion import FusedNormalization, fuse
from .training import TrainingPasses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import ArrayLike, NDArray

    from torchcaffe.core import Blob

    from .step import Step

    Callback = Callable[[int], object]


class Passes:
    """Runs the Steps of a net.

    The four lists of callbacks, `before_forward` to `after_backward`, may be added to; each
    callback is called with a layer's index. `training` are the passes of a solver through the whole
    net, which keep less; `at_once` prepares passes through the whole net.
    """

    def __init__(self, steps: list[Step]) -> None:
        self.steps = steps
        self.before_forward: list[Callback] = []
        self.after_forward: list[Callback] = []
        self.before_backward: list[Callback] = []
        self.after_backward: list[Callback] = []
        self._pairs = fuse(steps)
        self._plans: dict[tuple[int, int], list[tuple[int, Step | FusedNormalization]]] = {}
        self.at_once = AtOnce(steps)
        self.training = TrainingPasses(steps, self)
        self._is_driven_by_hand = False  # between a solver's steps
        self._loss_tops = [
            blob for step in steps for blob, weight in zip(step.tops, step.loss_weights) if weight
        ]

    @property
    def _has_callbacks(self) -> bool:
        return bool(
            self.before_forward or self.after_forward or self.before_backward or self.after_backward
        )

    def _settle(self) -> None:
        """Make sure that a pass by hand loses nothing that a solver's pass has left to be seen.

        Whoever runs passes between a solver's steps has all passes keep everything from then on.
        """
        self._is_driven_by_hand = self.training.settle() or self._is_driven_by_hand

    @property
    def keeps_all(self) -> bool:
        """Whether a solver's passes, too, keep everything."""
        return self._is_driven_by_hand or self._has_callbacks

    def turns(self) -> list[Step | FusedNormalization]:
        """Return what runs, in order, in a pass through the whole net."""
        return [turn for _, turn in self._plan(0, len(self.steps) - 1)]

    def forward(self, first: int = 0, last: int | None = None) -> None:
        """Run layers `first` to `last` (indices) forward."""
        self._settle()
        before, after = self.before_forward, self.after_forward
        plan = self._plan(first, len(self.steps) - 1 if last is None else last)
        with contextlib.ExitStack() as stack:
            if not self._has_callbacks and len(plan) == len(self.turns()):
                stack.enter_context(self.at_once.testing())
            for index, step in plan:
                for callback in before:
                    callback(index)
                step.forward()
                for callback in after:
                    callback(index)

    def backward(self, first: int | None = None, last: int = 0) -> None:
        """Run layers `first` (the last one) back to `last` (indices)."""
        self._settle()
        before, after = self.before_backward, self.after_backward
        for index, step in reversed(
            self._plan(last, len(self.steps) - 1 if first is None else first)
        ):
            for callback in before:
                callback(index)
            if step.needs_backward:
                step.backward()
            for callback in after:
                callback(index)

    def _plan(self, first: int, last: int) -> list[tuple[int, Step | FusedNormalization]]:
        """Return (index, what runs) for layers `first` to `last`: their Steps, some fused."""
        if self._has_callbacks:  # they are called for every layer
            return list(enumerate(self.steps[first : last + 1], first))
        if (first, last) not in self._plans:
            plan: list[tuple[int, Step | FusedNormalization]] = []
            index = first
            while index <= last:
                pair = self._pairs.get(index) if index < last else None
                plan.append((index, pair or self.steps[index]))
                index += 2 if pair else 1
            self._plans[first, last] = plan
        return self._plans[first, last]

    def loss(self) -> torch.Tensor | int:
        """Return the weighted sum of all losses of the last forward pass; 0 if there are none."""
        return sum((blob.tensor() * blob.gradient()).sum() for blob in self._loss_tops)

    def loss_of(self, first: int, last: int) -> float:
        """Return the weighted sum of the losses that layers `first` to `last` computed."""
        return float(
            sum(
                (blob.tensor() * weight).sum()
                for step in self.steps[first : last + 1]
                for blob, weight in zip(step.tops, step.loss_weights)
                if weight
            )
        )

    def first_not_finite(self) -> tuple[str, str] | None:
        """Return (layer name, blob name) of the first top with a NaN or infinity in it, or None."""
        for step in self.steps:
            for name, blob in zip(step.top_names, step.tops):
                if not bool(torch.isfinite(blob.tensor()).all()):
                    return step.layer.name, name
        return None


def batches(
    arrays: Mapping[str, NDArray[Any]], size: int
) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Yield dicts of arrays of `size` entries each, the last ones padded with zeros."""
    for begin in range(0, _count(arrays), size):
        batch = {}
        for name, values in arrays.items():
            part = np.asarray(values[begin : begin + size], np.float32)
            padding = [(0, size - len(part))] + [(0, 0)] * (part.ndim - 1)
            batch[name] = np.pad(part, padding) if len(part) < size else part
        yield batch


class Collected:
    """The results of batches: `add` takes name -> array of the blobs named in `names`."""

    def __init__(self, names: Iterable[str]) -> None:
        self._entries: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}

    def add(self, values: Mapping[str, NDArray[np.float32]]) -> None:
        """Append the entries of a batch, copied."""
        for name, value in values.items():
            self._entries[name].extend(value.copy())

    def joined(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """Return name -> array with as many entries as `arrays` have, so without the padding."""
        return {name: np.asarray(part)[: _count(arrays)] for name, part in self._entries.items()}


def _count(arrays: Mapping[str, NDArray[Any]]) -> int:
    return len(next(iter(arrays.values())))


def set_inputs(
    blobs: Mapping[str, Blob], names: list[str], arrays: Mapping[str, ArrayLike]
) -> None:
    """Write `arrays`, one per input, into the data of the inputs' blobs.

    Raises `InputError` for other names or shapes.
    """
    if set(arrays) != set(names):
        raise InputError(
            f"the net's inputs are {', '.join(names)}; found arrays for {', '.join(arrays)}."
        )
    for name, array in arrays.items():
        _assign(name, blobs[name].data, array)


def set_diffs(blobs: Mapping[str, Blob], names: list[str], arrays: Mapping[str, ArrayLike]) -> None:
    """Write `arrays`, one per name, into the diffs of those blobs.

    Raises `InputError` for other names or shapes.
    """
    if set(arrays) != set(names):
        raise InputError(f"backward was given diffs of {sorted(arrays)}; expected {sorted(names)}.")
    for name, array in arrays.items():
        _assign(name, blobs[name].diff, array)


def _assign(name: str, target: NDArray[np.float32], array: ArrayLike) -> None:
    if np.shape(array) != target.shape:
        raise InputError(
            f'blob "{name}" has shape {target.shape}, but the array given for it has shape '
            f"{np.shape(array)}; reshape the blob first."
        )
    target[...] = array
