"""Logs a net in the lines that Caffe writes while it builds one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from caffeformat import format_text
from torchcaffe import log

if TYPE_CHECKING:
    from torchcaffe.nets import Net, Step


def log_net(net: Net) -> None:
    """Log the prototxt, each layer's blobs and shapes, and the outputs of `net`."""
    log.info("net.cpp:53", "Initializing net from parameters: ", format_text(net.message))
    count = 0
    for step in net.steps:
        count += _log_layer(step)
        log.info("net.cpp:139", f"Memory required for data: {4 * count}")
    for step in reversed(net.steps):
        needs = "needs" if step.needs_backward else "does not need"
        log.info("net.cpp:200", f"{step.layer.name} {needs} backward computation.")
    for output in net.outputs:
        log.info("net.cpp:244", f"This network produces output {output}")
    log.info("net.cpp:257", "Network initialization done.")


def _log_layer(step: Step) -> int:
    """Log a layer's blobs; returns the number of values in its tops."""
    name, count = step.layer.name, 0
    log.info("net.cpp:86", f"Creating Layer {name}")
    for bottom in step.bottom_names:
        log.info("net.cpp:408", f"{name} <- {bottom}")
    for top in step.top_names:
        in_place = " (in-place)" if top in step.bottom_names else ""
        log.info("net.cpp:382", f"{name} -> {top}{in_place}")
    log.info("net.cpp:124", f"Setting up {name}")
    for blob, weight in zip(step.tops, step.loss_weights):
        size = math.prod(blob.shape)
        count += size
        log.info("net.cpp:131", f"Top shape: {''.join(f'{dim} ' for dim in blob.shape)}({size})")
        if weight:
            log.info("net.cpp:134", f"    with loss weight {log.number(weight)}")
    return count
