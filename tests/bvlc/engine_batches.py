#!/usr/bin/env python3
"""Saves what a net's layers hold in its first passes: engine_batches.py NET PASSES OUT.npz."""

import sys

import numpy as np

from fcnkit import engine


def main(net_path, passes, out):
    net = engine.open_net(net_path, "TRAIN")
    found = {}
    for step in range(int(passes)):
        net.forward()
        found.update((f"{name}:{step}", blob.data.copy()) for name, blob in net.blobs.items())
    np.savez(out, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
