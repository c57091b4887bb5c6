"""Loss scaling: keeps the gradients of a net that computes in float16 within its range.

Losses are multiplied by a power of two before the backward pass, and the parameters' gradients are
divided by it afterwards (Micikevicius et al. 2018, "Mixed Precision Training"). Where they overflow
the step is skipped and the scale is halved; after 2000 steps without that it is doubled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from caffeformat import InputError
from torchcaffe import log

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torchcaffe.core import Blob

_INITIAL, _LARGEST = 2.0**16, 2.0**24
_PATIENCE = 2000


class LossScale:
    """The scale, `value`, and how many steps in a row it has been good for, `steps`."""

    def __init__(self, value: float = _INITIAL, steps: int = 0) -> None:
        self.value, self.steps = value, steps

    def unscale(self, blobs: Iterable[Blob]) -> None:
        """Divide the diffs of these parameters by the scale."""
        for blob in blobs:
            if blob.has_gradient:
                blob.gradient().div_(self.value)
                blob.diff_written()

    def accept(self, blobs: Iterable[Blob], iteration: int) -> bool:
        """Return whether all diffs are finite, so that a step may be taken; adapts the scale.

        Raises `InputError` if even a scale of 1 is too large.
        """
        diffs = [blob.gradient() for blob in blobs if blob.has_gradient]
        if all(bool(torch.isfinite(diff).all()) for diff in diffs):
            self.steps += 1
            if self.steps >= _PATIENCE and self.value < _LARGEST:
                self.value, self.steps = 2 * self.value, 0
            return True
        if self.value <= 1:
            raise InputError(
                f"iteration {iteration}: the gradients are infinite or not numbers in float16, "
                "whatever the loss is scaled by: lower base_lr, or use bfloat16 or float32"
            )
        self.value, self.steps = self.value / 2, 0
        log.logger.warning(
            f"iteration {iteration}: gradients overflow float16, so this step is skipped and the "
            f"loss scale lowered to {self.value:g}"
        )
        return False
