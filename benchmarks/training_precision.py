#!/usr/bin/env python3
"""Time of a training step of FCN-ResNet-50 in a lower precision, against float32.

    benchmarks/training_precision.py [--precision bfloat16] [--size 320] [--batch 2] [--rounds 4]

Both nets, auxiliary head included, are in one process and take their steps in turn, on images and
labels of noise; the least time of each counts. Only the ratio says something on a machine that
others use as well.
"""

import argparse
import sys
import time

import numpy as np
from training_step import training_net

import torchcaffe as caffe
from caffeformat import pb


def make_solver(precision, batch, size):
    """A solver of the network in that precision, with data in its inputs."""
    caffe.set_random_seed(1)
    recipe = pb.SolverParameter(base_lr=1e-3, lr_policy="fixed", momentum=0.9, weight_decay=1e-4)
    recipe.train_net_param.CopyFrom(training_net("fcn_resnet_50", batch, size))
    with caffe.precision(precision):
        solver = caffe.SGDSolver(param=recipe)
    blobs, random = solver.net.blobs, np.random.RandomState(1)
    blobs["data"].data[...] = random.uniform(-2, 2, blobs["data"].shape)
    blobs["label"].data[...] = random.randint(0, 21, blobs["label"].shape)
    return solver


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--precision", default="bfloat16")
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=4)
    args = parser.parse_args(argv)
    names = ("float32", args.precision)
    solvers = {name: make_solver(name, args.batch, args.size) for name in names}
    times, losses = {name: [] for name in names}, {name: [] for name in names}
    for _ in range(args.rounds):
        for name, solver in solvers.items():
            start = time.perf_counter()
            solver.step(1)
            times[name].append(time.perf_counter() - start)
            losses[name].append(float(solver.net.blobs["loss"].data))
    for name in names:
        rounded = ", ".join(f"{loss:.4f}" for loss in losses[name])
        print(f"{name:9} {min(times[name]):6.2f} s per step; losses {rounded}")
    print(f"time of {args.precision}: {min(times[names[1]]) / min(times[names[0]]):.2f}x")
    return 0


if __name__ == "__main__":
    sys.exit(main())
