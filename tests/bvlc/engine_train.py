#!/usr/bin/env python3
"""Trains a golden run's net on the chosen engine for some steps and leaves a snapshot.

    engine_train.py RUN STEPS OUT.npz [STATE]

RUN holds net.prototxt, solver.prototxt, data.npz and start.caffemodel; it is copied to the current
folder first. STATE is a solver state to go on from. OUT holds the `loss` blob of each step. The
snapshot gets the solver's own prefix.
"""

import sys

import numpy as np

from fcnkit import engine


def main(run, steps, out, state=None):
    caffe = engine.load()
    caffe.set_mode_cpu()
    solver = caffe.get_solver("solver.prototxt")
    if state:
        solver.restore(state)
    else:
        solver.net.copy_from(f"{run}/start.caffemodel")
    with np.load(f"{run}/data.npz") as pairs:
        data, label = pairs["data"], pairs["label"]
    losses = []
    for _ in range(int(steps)):
        pair = solver.iter % len(data)
        solver.net.blobs["data"].data[...] = data[pair]
        solver.net.blobs["label"].data[...] = label[pair]
        solver.step(1)
        losses.append(float(solver.net.blobs["loss"].data))
    solver.snapshot()
    np.savez(out, losses=np.array(losses))


if __name__ == "__main__":
    main(*sys.argv[1:])
