#!/usr/bin/env python3
"""Trains a net on the chosen engine for some steps, saves the losses and leaves a snapshot."""

import argparse
import sys

import numpy as np

from fcnkit import engine


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("solver", help="its snapshot_prefix says where the snapshot goes")
    parser.add_argument("steps", type=int)
    parser.add_argument("out", help="OUT.npz: `losses`, the blob `loss` of each step")
    parser.add_argument("--weights", help="caffemodel to start from")
    parser.add_argument("--state", help="solver state to go on from")
    parser.add_argument("--pairs", help=".npz of `data` and `label`, taken in turn as inputs")
    args = parser.parse_args(argv)

    engine.use_device()
    solver = engine.open_solver(args.solver)
    if args.weights:
        solver.net.copy_from(args.weights)
    if args.state:
        solver.restore(args.state)
    pairs = dict(np.load(args.pairs)) if args.pairs else {}
    losses = []
    for _ in range(args.steps):
        for name, arrays in pairs.items():
            solver.net.blobs[name].data[...] = arrays[solver.iter % len(arrays)]
        solver.step(1)
        losses.append(float(np.ravel(solver.net.blobs["loss"].data)[0]))
    solver.snapshot()
    np.savez(args.out, losses=np.array(losses))


if __name__ == "__main__":
    sys.exit(main())
