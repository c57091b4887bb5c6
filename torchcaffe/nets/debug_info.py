"""`debug_info: true`: logs how large the numbers in every layer are.

The lines are Caffe's: mean absolute values of blobs, parameters and their diffs, right after each
layer, so that a blob is seen before the next layer works on it in place.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torchcaffe import log

if TYPE_CHECKING:
    import torch

    from .passes import Passes
    from .sharing import LearnableParam


class DebugInfo:
    """Logs every pass of a net, whose parameters are `params`, while `active`."""

    def __init__(self, passes: Passes, params: list[LearnableParam], active: bool = True) -> None:
        self.active = active
        self._steps, self._params = passes.steps, params
        passes.after_forward.append(self._log_forward)
        passes.after_backward.append(self._log_backward)

    def _log_forward(self, index: int) -> None:
        if not self.active:
            return
        step = self._steps[index]
        head = f"    [Forward] Layer {step.layer.name}, "
        for top, blob in zip(step.top_names, step.tops):
            log.info("net.cpp:593", f"{head}top blob {top} data: {_mean(blob.tensor())}")
        specs = step.layer.proto.param
        for number, blob in enumerate(step.params):
            name = (specs[number].name if number < len(specs) else "") or number
            log.info("net.cpp:605", f"{head}param blob {name} data: {_mean(blob.tensor())}")

    def _log_backward(self, index: int) -> None:
        if not self.active:
            return
        step = self._steps[index]
        if step.needs_backward:
            head = f"    [Backward] Layer {step.layer.name}, "
            for name, blob, needs in zip(step.bottom_names, step.bottoms, step.bottom_needs):
                if needs:
                    log.info(
                        "net.cpp:621", f"{head}bottom blob {name} diff: {_mean(blob.gradient())}"
                    )
            for number, (blob, needs) in enumerate(zip(step.params, step.param_needs)):
                if needs:
                    log.info(
                        "net.cpp:632", f"{head}param blob {number} diff: {_mean(blob.gradient())}"
                    )
        if index == 0:
            self._log_norms()

    def _log_norms(self) -> None:
        """Log the norms of all parameters and of all gradients, at the end of a backward pass."""
        blobs = [param.blob for param in self._params]
        data = [blob.tensor() for blob in blobs]
        diffs = [blob.gradient() for blob in blobs]
        sums = [log.number(sum(float(x.abs().sum()) for x in part)) for part in (data, diffs)]
        roots = [
            log.number(math.sqrt(sum(float(x.norm()) ** 2 for x in part))) for part in (data, diffs)
        ]
        log.info(
            "net.cpp:721",
            f"    [Backward] All net params (data, diff): L1 norm = ({', '.join(sums)}); "
            f"L2 norm = ({', '.join(roots)})",
        )


def _mean(tensor: torch.Tensor) -> str:
    """Return the mean absolute value as text."""
    return log.number(float(tensor.abs().mean())) if tensor.numel() else "0"
