#!/usr/bin/env python3
"""Overhead of torchcaffe over the same network written by hand in PyTorch.

    benchmarks/torchcaffe_overhead.py [--network chain|fcn8s] [--rounds 20] [--threads 2]

`chain` is 50 convolutions with BatchNorm, Scale and ReLU on 32 x 32 images, batch 16; `fcn8s` is
FCN-8s for an image of 500 x 500. Both with a loss: forward and backward, alternating rounds, the
minimum of each. Both start from the same weights, and their losses are compared.
"""

import argparse
import sys
import time

import torch
from engines import REPO, with_loss
from torch import nn

import torchcaffe
from caffeformat import NetSpec, layers, pb
from fcnkit.nets import interpolation_weights

BATCH, SIZE, CLASSES = 16, 32, 10
FCN8S_SIZE, FCN8S_CLASSES = 500, 21
VGG16 = (2, 2, 3, 3, 3)  # convolutions of its stages


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


def caffe_fcn8s():
    """FCN-8s with a loss as a torchcaffe.Net, its weights random, image and label set."""
    message = with_loss(REPO / "prototxt/voc_fcn8s/deploy.prototxt", FCN8S_SIZE, FCN8S_SIZE)
    net = torchcaffe.Net(net_param=message, phase=torchcaffe.TEST)
    for layer, blobs in net.params.items():
        weights = blobs[0].tensor()
        if layer.startswith("upscore"):
            # Caffe's bilinear filler would mix the classes: all their scores, and every network's
            # losses, would be equal.
            weights.copy_(torch.from_numpy(interpolation_weights(tuple(weights.shape))))
        else:
            nn.init.kaiming_normal_(weights, nonlinearity="relu")
    net.blobs["data"].tensor().normal_()
    net.blobs["label"].tensor().random_(FCN8S_CLASSES)
    return net


class HandWrittenFCN8s(nn.Module):
    """FCN-8s in plain PyTorch, with the weights of the Caffe net; upsampling is fixed, as there."""

    def __init__(self, net):
        super().__init__()
        for stage, count in enumerate(VGG16, 1):
            modules = []
            for index in range(1, count + 1):
                pad = 100 if stage == index == 1 else 1
                modules += [self._convolution(net, f"conv{stage}_{index}", pad), nn.ReLU(True)]
            modules.append(nn.MaxPool2d(2, 2, ceil_mode=True))
            self.add_module(f"stage{stage}", nn.Sequential(*modules))
        self.fc6, self.fc7, self.score_fr, self.score_pool3, self.score_pool4 = (
            self._convolution(net, name)
            for name in ("fc6", "fc7", "score_fr", "score_pool3", "score_pool4")
        )
        self.upscore2, self.upscore_pool4 = (
            self._upsampling(net, name, 2) for name in ("upscore2", "upscore_pool4")
        )
        self.upscore8 = self._upsampling(net, "upscore8", 8)

    @staticmethod
    def _convolution(net, name, pad=0):
        weight, bias = (blob.tensor() for blob in net.params[name])
        outputs, inputs, kernel, _ = weight.shape
        module = nn.Conv2d(inputs, outputs, kernel, padding=pad)
        module.weight.data.copy_(weight)
        module.bias.data.copy_(bias)
        return module

    @staticmethod
    def _upsampling(net, name, stride):
        weight = net.params[name][0].tensor()
        inputs, outputs, kernel, _ = weight.shape
        module = nn.ConvTranspose2d(inputs, outputs, kernel, stride, bias=False)
        module.weight.data.copy_(weight)
        return module.requires_grad_(False)

    def forward(self, x):
        height, width = x.shape[2:]
        pool3 = self.stage3(self.stage2(self.stage1(x)))
        pool4 = self.stage4(pool3)
        fc7 = self.fc7(self.fc6(self.stage5(pool4)).relu_()).relu_()
        top = self.upscore2(self.score_fr(fc7))
        top = top + _crop(self.score_pool4(pool4), 5, *top.shape[2:])
        top = self.upscore_pool4(top)
        top = top + _crop(self.score_pool3(pool3), 9, *top.shape[2:])
        return _crop(self.upscore8(top), 31, height, width)


def _crop(x, offset, height, width):
    return x[:, :, offset : offset + height, offset : offset + width]


def chain_pair(args):
    net = caffe_net(args.depth, args.channels)
    name = f"{args.depth} layers of {args.channels} channels"
    return name, net, hand_written(net, args.depth, args.channels)


def fcn8s_pair(args):
    net = caffe_fcn8s()
    return f"FCN-8s {FCN8S_SIZE}x{FCN8S_SIZE}", net, HandWrittenFCN8s(net)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=("chain", "fcn8s"), default="chain")
    parser.add_argument("--depth", type=int, default=50)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    torchcaffe.set_random_seed(1)
    name, net, module = (chain_pair if args.network == "chain" else fcn8s_pair)(args)
    data, label = net.blobs["data"].tensor(), net.blobs["label"].tensor().long()
    if args.network == "fcn8s":
        label = label[:, 0]

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
        f"{name}, {args.threads} threads: torchcaffe "
        f"{mine * 1e3:.1f} ms, by hand {plain * 1e3:.1f} ms, ratio {mine / plain:.3f}; "
        f"losses {losses[ours]:.6f} and {losses[theirs]:.6f}"
    )


if __name__ == "__main__":
    sys.exit(main())
