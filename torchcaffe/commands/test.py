"""Scores weights on a net's test phase, as `caffe test` does."""

from __future__ import annotations

from caffeformat import pb
from torchcaffe import log
from torchcaffe.nets import Net

from . import expect_arguments
from .engine_flags import (
    ALLOW_PYTHON,
    GPU,
    ITERATIONS,
    LEVEL,
    MODEL,
    STAGE,
    WEIGHTS,
    allow_python,
    choose_device,
    require,
    require_iterations,
    words,
)
from .flags import Flags
from .net_log import log_net

USAGE = "-model NET -weights WEIGHTS"
FLAGS = [MODEL, WEIGHTS, ITERATIONS, LEVEL, STAGE, ALLOW_PYTHON, GPU]


def run(flags: Flags, arguments: list[str]) -> None:
    """Run `-iterations` batches and log every output of each, and the means."""
    expect_arguments(arguments, f"torchcaffe test {USAGE}", 0)
    require(flags.model, "model", "scoring needs a net")
    require(flags.weights, "weights", "scoring needs weights")
    require_iterations(flags.iterations)
    allow_python(flags.allow_python)
    choose_device(flags.gpu, "caffe.cpp:275")
    net = Net(flags.model, phase=pb.TEST, level=flags.level, stages=words(flags.stage))
    log_net(net)
    for path in words(flags.weights):
        net.copy_from(path)
    log.info("caffe.cpp:281", f"Running for {flags.iterations} iterations.")
    sums: dict[tuple[str, int], float] = {}
    loss = 0.0
    for batch in range(flags.iterations):
        outputs = net.forward()
        loss += float(net.loss())
        for name, values in outputs.items():
            for index, value in enumerate(values.ravel().tolist()):
                sums[name, index] = sums.get((name, index), 0.0) + value
                log.info("caffe.cpp:304", f"Batch {batch}, {name} = {log.number(value)}")
    log.info("caffe.cpp:309", f"Loss: {log.number(loss / flags.iterations)}")
    weights = net.blob_loss_weights
    for (name, _), total in sums.items():
        log.info("caffe.cpp:321", log.output(name, total / flags.iterations, weights[name]))
