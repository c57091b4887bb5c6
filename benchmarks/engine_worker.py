#!/usr/bin/env python3
"""Times single passes of a net on the engine that FCNKIT_ENGINE names, on demand.

The half of `engines` that runs in each engine: reads "forward" or "forward+backward" from standard
input, makes that pass, and answers with its seconds.
"""

import sys
import time

import numpy as np

from fcnkit import engine


def main(path):
    caffe = engine.load()
    caffe.set_mode_cpu()
    net = caffe.Net(path, caffe.TRAIN)
    random = np.random.RandomState(0)
    net.blobs["data"].data[...] = random.uniform(-120, 130, net.blobs["data"].data.shape)
    for blobs in net.params.values():
        weights = blobs[0].data
        # Alive from end to end: zeros would be quicker in places.
        weights[...] = random.standard_normal(weights.shape) * np.sqrt(2 / weights[0].size)
    label = net.blobs["label"]
    label.data[...] = random.randint(0, net.blobs["score"].shape[1], label.data.shape)
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        net.forward()
        if line.strip() == "forward+backward":
            net.backward()
        # Reading the result ends work that an engine may still have under way.
        float(net.blobs["loss"].data)
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
