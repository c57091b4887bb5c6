#!/usr/bin/env python3
"""Saves a net's output for one input: engine_scores.py NET WEIGHTS IN.npy OUT.npy."""

import sys

import numpy as np

from fcnkit import engine


def main(net_path, weights, source, out):
    net = engine.open_net(net_path, "TEST")
    net.copy_from(weights)
    net.blobs["data"].data[...] = np.load(source)
    (output,) = net.forward().values()
    np.save(out, output)


if __name__ == "__main__":
    main(*sys.argv[1:])
