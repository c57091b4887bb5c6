"""A net's layers in the lines that Caffe logs while it builds one."""

import math

from caffeformat import format_text

from .. import log


def log_net(net):
    """Log the prototxt, each layer's blobs and shapes, and the outputs of `net`."""
    log.info("net.cpp:53", f"Initializing net from parameters: \n{format_text(net.message)}")
    tops, bottoms, weights = net.top_names, net.bottom_names, net.blob_loss_weights
    count = 0
    for name in tops:
        log.info("net.cpp:86", f"Creating Layer {name}")
        for bottom in bottoms[name]:
            log.info("net.cpp:408", f"{name} <- {bottom}")
        for top in tops[name]:
            in_place = " (in-place)" if top in bottoms[name] else ""
            log.info("net.cpp:382", f"{name} -> {top}{in_place}")
        log.info("net.cpp:124", f"Setting up {name}")
        for top in tops[name]:
            shape = net.blobs[top].shape
            size = math.prod(shape)
            count += size
            log.info("net.cpp:131", f"Top shape: {''.join(f'{dim} ' for dim in shape)}({size})")
            if weights[top]:
                log.info("net.cpp:134", f"    with loss weight {log.number(weights[top])}")
        log.info("net.cpp:139", f"Memory required for data: {4 * count}")
    for output in net.outputs:
        log.info("net.cpp:244", f"This network produces output {output}")
    log.info("net.cpp:257", "Network initialization done.")
