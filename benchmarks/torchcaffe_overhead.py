#!/usr/bin/env python3
"""What torchcaffe costs over the same network written by hand in PyTorch.

    benchmarks/torchcaffe_overhead.py [--channels 64] [--rounds 20] [--threads 2]

A chain of 50 convolutions with BatchNorm, Scale and ReLU on 32 x 32 images, batch 16, with a loss:
forward and backward, alternating rounds, the minimum of each. Both start from the same weights, and
their losses are compared.
"""

import argparse
import sys
import time

import torch
from torch import nn

import torchcaffe
from caffeformat import NetSpec, layers, pb

BATCH, SIZE, CLASSES = 16, 32, 10


def caffe_net(depth, channels):
    """The network as a torchcaffe.Net, images and labels in its inputs."""
    spec = NetSpec()
    spec.data = layers.Input(shape=[{"dim": [BATCH, 3, SIZE, SIZE]}])
    spec.label = layers.Input(shape=[{"dim": [BATCH]}])
    top = spec.data
    for index in range(depth):
        top = layers.Convolution(
            top, num_output=channels, kernel_size=3, pad=1, bias_term=False,
            weight_filler={"type": "msra"},
        )  # fmt: skip
        spec[f"conv{index}"] = top
        spec[f"bn{index}"] = top = layers.BatchNorm(top, in_place=True)
        spec[f"scale{index}"] = top = layers.Scale(top, in_place=True, bias_term=True)
        spec[f"relu{index}"] = top = layers.ReLU(top, in_place=True)
    spec.pool = layers.Pooling(top, pool=pb.PoolingParameter.AVE, global_pooling=True)
    spec.score = layers.InnerProduct(
        spec.pool, num_output=CLASSES, weight_filler={"type": "xavier"}
    )
    spec.loss = layers.SoftmaxWithLoss(spec.score, spec.label)
    net = torchcaffe.Net(net_param=spec.to_proto(), phase=torchcaffe.TRAIN)
    net.blobs["data"].tensor().normal_()
    net.blobs["label"].tensor().random_(CLASSES)
    return net


def hand_written(net, depth, channels):
    """The same in plain PyTorch, with the weights of `net`."""
    modules, before = [], 3
    for index in range(depth):
        convolution = nn.Conv2d(before, channels, 3, padding=1, bias=False)
        convolution.weight.data.copy_(net.params[f"conv{index}"][0].tensor())
        modules += [convolution, nn.BatchNorm2d(channels, momentum=0.001), nn.ReLU(inplace=True)]
        before = channels
    score = nn.Linear(channels, CLASSES)
    score.weight.data.copy_(net.params["score"][0].tensor())
    score.bias.data.zero_()
    return nn.Sequential(*modules, nn.AdaptiveAvgPool2d(1), nn.Flatten(), score)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--depth", type=int, default=50)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    torchcaffe.set_random_seed(1)
    net = caffe_net(args.depth, args.channels)
    module = hand_written(net, args.depth, args.channels)
    data, label = net.blobs["data"].tensor(), net.blobs["label"].tensor().long()

    def ours():
        net.clear_param_diffs()
        net.run_forward()
        loss = net.loss()
        net.run_backward()
        return loss.detach()

    def theirs():
        module.zero_grad()
        loss = nn.functional.cross_entropy(module(data), label)
        loss.backward()
        return loss.detach()

    times = {ours: [], theirs: []}
    losses = {}
    for _ in range(args.rounds):
        for run, seconds in times.items():
            start = time.perf_counter()
            losses[run] = float(run())
            seconds.append(time.perf_counter() - start)
    mine, plain = (min(times[run]) for run in (ours, theirs))
    print(
        f"{args.depth} layers of {args.channels} channels, {args.threads} threads: torchcaffe "
        f"{mine * 1e3:.1f} ms, by hand {plain * 1e3:.1f} ms, ratio {mine / plain:.3f}; "
        f"losses {losses[ours]:.6f} and {losses[theirs]:.6f}"
    )


if __name__ == "__main__":
    sys.exit(main())
