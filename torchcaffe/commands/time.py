"""Times a net's passes, and each layer separately, as `caffe time` does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from torchcaffe import log
from torchcaffe.core import synchronize

from .engine_flags import GPU, ITERATIONS, MODEL, NET_FLAGS, open_net, phase_named, require
from .flags import Flag, Flags
from .main import expect_arguments

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from torchcaffe.nets import Net

USAGE = "-model NET"
FLAGS = [
    MODEL,
    Flag("phase", "TRAIN", "the net's phase, TRAIN or TEST"),
    ITERATIONS,
    *NET_FLAGS,
    GPU,
]


def run(flags: Flags, arguments: list[str]) -> None:
    """Time whole passes, then each layer separately (with nothing fused), and log the means."""
    expect_arguments(arguments, f"torchcaffe time {USAGE}", 0)
    require(flags.model, "model", "timing needs a net")
    net = open_net(flags, phase_named(flags.phase), "caffe.cpp:343")
    log.info("caffe.cpp:351", "Performing Forward")
    net.run_forward()
    log.info("caffe.cpp:356", f"Initial loss: {log.number(float(net.loss()))}")
    log.info("caffe.cpp:357", "Performing Backward")
    net.run_backward()
    log.info("caffe.cpp:365", "*** Benchmark begins ***")
    log.info("caffe.cpp:366", f"Testing for {flags.iterations} iterations.")
    watch = _Watch(net.device)
    forward, backward = _time_passes(net, flags.iterations, watch)
    _time_layers(net, flags.iterations, watch)
    both = log.number((forward + backward) / flags.iterations)
    log.info("caffe.cpp:408", f"Average Forward pass: {log.number(forward / flags.iterations)} ms.")
    mean = log.number(backward / flags.iterations)
    log.info("caffe.cpp:410", f"Average Backward pass: {mean} ms.")
    log.info("caffe.cpp:412", f"Average Forward-Backward: {both} ms.")
    log.info("caffe.cpp:414", f"Total Time: {log.number(forward + backward)} ms.")
    log.info("caffe.cpp:415", "*** Benchmark ends ***")


def _time_passes(net: Net, iterations: int, watch: _Watch) -> tuple[float, float]:
    """Time whole passes; returns the milliseconds of all forward and of all backward passes."""
    forward = backward = 0.0
    for iteration in range(1, iterations + 1):
        there, back = watch.time(net.run_forward), watch.time(net.run_backward)
        forward, backward = forward + there, backward + back
        milliseconds = log.number(there + back)
        log.info(
            "caffe.cpp:394", f"Iteration: {iteration} forward-backward time: {milliseconds} ms."
        )
    return forward, backward


def _time_layers(net: Net, iterations: int, watch: _Watch) -> None:
    """Time each layer and log the means."""
    names = [step.layer.name for step in net.steps]
    forward, backward = [0.0] * len(names), [0.0] * len(names)
    for _ in range(iterations):
        for index in range(len(names)):
            forward[index] += watch.time(net.run_forward, index, index)
        for index in reversed(range(len(names))):
            backward[index] += watch.time(net.run_backward, index, index)
    log.info("caffe.cpp:397", "Average time per layer: ")
    for index, name in enumerate(names):
        for place, what, total in (
            ("caffe.cpp:400", "forward", forward[index]),
            ("caffe.cpp:403", "backward", backward[index]),
        ):
            log.info(place, f"{name:>10}\t{what}: {log.number(total / iterations)} ms.")


class _Watch:
    """Times calls, including whatever they leave running on a GPU."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def time(self, function: Callable[..., object], *arguments: object) -> float:
        """Call `function` and return how many milliseconds it took."""
        self._wait()
        begun = time.perf_counter()
        function(*arguments)
        self._wait()
        return 1000 * (time.perf_counter() - begun)

    def _wait(self) -> None:
        synchronize(self._device)
