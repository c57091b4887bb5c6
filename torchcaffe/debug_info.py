"""What `debug_info: true` shows: how large numbers are in every layer, and where they end.

The lines are Caffe's: mean absolute values of blobs, parameters and their diffs, right after each
layer, so that a blob is seen before the next layer works on it in place.
"""

import math

from caffeformat import InputError

from . import log


class DebugInfo:
    """Logs every pass of a net while `active`."""

    def __init__(self, net, active=True):
        self.net, self.active = net, active
        net.after_forward(self._log_forward)
        net.after_backward(self._log_backward)

    def _log_forward(self, index):
        if not self.active:
            return
        step = self.net._steps[index]
        head = f"    [Forward] Layer {step.layer.name}, "
        for name, blob in zip(step.top_names, step.tops):
            log.info("net.cpp:593", f"{head}top blob {name} data: {_mean(blob.tensor())}")
        specs = step.layer.proto.param
        for number, blob in enumerate(step.params):
            name = (specs[number].name if number < len(specs) else "") or number
            log.info("net.cpp:605", f"{head}param blob {name} data: {_mean(blob.tensor())}")

    def _log_backward(self, index):
        if not self.active:
            return
        step = self.net._steps[index]
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

    def _log_norms(self):
        """The norms of all parameters and of all gradients, at the end of a backward pass."""
        blobs = [param.blob for param in self.net.learnable_params]
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


def refuse_nan(net, iteration):
    """Raise `InputError` that says in which layer of the last pass numbers ceased to be."""
    found = net.first_not_finite()
    if found is not None:
        layer, blob = found
        raise InputError(
            f'iteration {iteration}: layer "{layer}" is the first whose top, "{blob}", holds '
            "NaN or infinite numbers. If its bottoms and parameters are large, lower base_lr "
            "or set clip_gradients; if it reads data, look at that."
        )


def _mean(tensor):
    """The mean absolute value as text."""
    return log.number(float(tensor.abs().mean())) if tensor.numel() else "0"
