"""Scores weights on a net's test phase, as `caffe test` does."""

from __future__ import annotations

from caffeformat import pb
from torchcaffe import log

from .engine_flags import GPU, ITERATIONS, MODEL, NET_FLAGS, WEIGHTS, open_net, require, words
from .flags import Flags
from .main import expect_arguments

USAGE = "-model NET -weights WEIGHTS"
FLAGS = [MODEL, WEIGHTS, ITERATIONS, *NET_FLAGS, GPU]


def run(flags: Flags, arguments: list[str]) -> None:
    """Run `-iterations` batches and log every output of each, and the means."""
    expect_arguments(arguments, f"torchcaffe test {USAGE}", 0)
    require(flags.model, "model", "scoring needs a net")
    require(flags.weights, "weights", "scoring needs weights")
    net = open_net(flags, pb.TEST, "caffe.cpp:275")
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
