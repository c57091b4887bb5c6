#!/usr/bin/env python3
"""Time and peak memory of one training step of a large network on the CPU, from fillers.

    benchmarks/training_step.py [fcn_resnet_101 pspnet_101] [--size 480] [--batch 2]

Each network runs in a process of its own: its training net as declared, auxiliary head included, on
images and labels of noise. The peak is that of the process, weights and solver's history included;
what Python and PyTorch take before there is a net is reported beside it.
"""

import argparse
import os
import resource
import subprocess
import sys
import time

import numpy as np

from caffeformat import filter_net, pb
from fcnkit import zoo

NETWORKS = ("fcn_resnet_101", "pspnet_101")
GIB = 2**30


def training_net(network, batch, size):
    """The network's training net with Input layers for its data: a NetParameter."""
    form = {"size": (size, size)} if network.startswith("pspnet") else {}
    files = zoo.spec(network).files(auxiliary=True, **form)
    net = filter_net(files["train_val.prototxt"], pb.TRAIN)
    kept = [layer for layer in net.layer if layer.type != "Data"]
    del net.layer[:]
    for name, channels in (("data", 3), ("label", 1)):
        layer = net.layer.add(name=name, type="Input", top=[name])
        layer.input_param.shape.add(dim=[batch, channels, size, size])
    net.layer.extend(kept)
    return net


def peak():
    """The most memory that this process has had resident, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB


def work(network, batch, size):
    """Take two steps and print what the second one took."""
    import torchcaffe as caffe

    caffe.set_random_seed(1)
    before = peak()
    recipe = pb.SolverParameter(base_lr=1e-3, lr_policy="fixed", momentum=0.9, weight_decay=1e-4)
    recipe.train_net_param.CopyFrom(training_net(network, batch, size))
    solver = caffe.SGDSolver(param=recipe)
    blobs, random = solver.net.blobs, np.random.RandomState(1)
    blobs["data"].data[...] = random.uniform(-120, 130, blobs["data"].shape)
    blobs["label"].data[...] = random.randint(0, 21, blobs["label"].shape)
    losses = []
    for _ in range(2):
        start = time.monotonic()
        solver.step(1)
        seconds = time.monotonic() - start
        losses.append(float(solver.net.blobs["loss"].data))
    parameters = sum(blob.data.size for group in solver.net.params.values() for blob in group)
    print(
        f"{network:16} {batch} x {size} x {size}: {seconds:6.1f} s a step, peak {peak():.2f} GiB "
        f"({before:.2f} before), {parameters / 1e6:.1f} M parameters, loss {losses[0]:.3f} then "
        f"{losses[1]:.3f}"
    )


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--size", type=int, default=480)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.worker:
        return work(args.networks[0], args.batch, args.size)
    options = ["--worker", "--size", str(args.size), "--batch", str(args.batch)]
    print(f"{os.environ.get('OMP_NUM_THREADS', 'all')} thread(s)")
    for network in args.networks:
        subprocess.run([sys.executable, __file__, network, *options], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
