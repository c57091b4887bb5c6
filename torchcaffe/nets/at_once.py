"""What a pass through many layers does for all of them at once rather than layer by layer.

On a GPU, where each operation takes microseconds to start, small layers wait for the host: one
kernel then works on all parameters, where each of their own would be over before the next one is
started.
"""

from __future__ import annotations

import collections
import contextlib
from typing import TYPE_CHECKING

import torch

from caffeformat import pb
from torchcaffe.layers import BatchNormLayer, Layer, RunningSums, StoredMoments

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .step import Step


class AtOnce:
    """Prepares the passes of a net."""

    def __init__(self, steps: Sequence[Step]) -> None:
        # Code within a pass sees parameters as they are, and may change them.
        steps = [] if any(step.layer.type == "Python" for step in steps) else steps
        # Statistics that several layers share are those that the layer before has just left.
        uses = collections.Counter(blob for step in steps for blob in step.params)
        self._norms = [
            step.layer
            for step in steps
            if isinstance(step.layer, BatchNormLayer) and all(uses[b] == 1 for b in step.params)
        ]
        self._stored = StoredMoments(self._norms)
        converted = [step for step in steps if _is_converted(step)]
        self._lower = LowerCopies(converted)
        self._lower_of_training = LowerCopies([step for step in converted if _has_own(step)])
        # Layers of phase TEST leave their parameters as they are.
        kept = [step for step in steps if _is_lower(step) and step.layer.phase == pb.TEST]
        self._lower_of_lean = LowerCopies(kept)

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Prepare a forward pass of a solver."""
        self._lower_of_training.refresh()
        with self._stored.in_use(), self.repeating(), RunningSums.of_pass(self._norms):
            yield

    @contextlib.contextmanager
    def repeating(self) -> Iterator[None]:
        """Prepare another forward pass through layers of the last one, with the same weights."""
        with self._lower_of_training.in_use():
            yield

    @contextlib.contextmanager
    def testing(self) -> Iterator[None]:
        """Prepare any other forward pass, after which backward passes may follow."""
        self._lower.refresh()
        with self._lower.in_use(), self._stored.in_use():
            yield

    @contextlib.contextmanager
    def lean(self) -> Iterator[None]:
        """Prepare a forward pass that no backward pass follows.

        Weights stay converted from one to the next: that took 6% of the pass of FCN-8s on a CPU.
        """
        self._lower_of_lean.refresh_changed()
        with self._lower_of_lean.in_use(), self._stored.in_use():
            yield


class LowerCopies:
    """Copies of parameters in the lower precision in which their layers compute.

    On a GPU those of filters have their channels last, and so has what is computed with them:
    matrix units take numbers in that order, and each convolution would bring them into it and back.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._blobs = [blob for step in steps for blob in step.params]
        self._copies: list[list[torch.Tensor]] = []
        self._marks: list[tuple[int, ...] | None] = []

    def refresh(self) -> None:
        """Write what the parameters are now into the copies."""
        if not self._steps:
            return
        values = [blob.tensor() for blob in self._blobs]
        copies = [copy for group in self._copies for copy in group]
        if [copy.shape for copy in copies] != [tensor.shape for tensor in values]:
            self._copies = [
                [_copy(blob.tensor(), step.layer.dtype) for blob in step.params]
                for step in self._steps
            ]
        else:
            torch._foreach_copy_(copies, values)

    def refresh_changed(self) -> None:
        """Write the parameters that may have changed since the last call into the copies."""
        marks = [blob.data_mark() for blob in self._blobs]
        copies = [copy for group in self._copies for copy in group]
        if [copy.shape for copy in copies] != [blob.tensor().shape for blob in self._blobs]:
            self.refresh()
        else:
            for copy, blob, before, now in zip(copies, self._blobs, self._marks, marks):
                if now is None or now != before:
                    copy.copy_(blob.tensor())
        self._marks = marks

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Have the layers take the copies meanwhile."""
        for step, group in zip(self._steps, self._copies):
            step.lower_params = group
        try:
            yield
        finally:
            for step in self._steps:
                step.lower_params = None


def _copy(values: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    if values.dim() == 4 and values.device.type != "cpu":
        return values.to(dtype, memory_format=torch.channels_last)
    return values.to(dtype)


def _is_lower(step: Step) -> bool:
    layer = step.layer
    return layer.dtype not in (None, torch.float32) and layer.is_native and bool(step.params)


def _is_converted(step: Step) -> bool:
    return _is_lower(step) and step.layer.device.type != "cpu"


def _has_own(step: Step) -> bool:
    """Whether the layer computes its gradients itself, and so takes parameters that are copies."""
    return type(step.layer).compute_with_gradient is not Layer.compute_with_gradient
