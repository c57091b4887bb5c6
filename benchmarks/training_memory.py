#!/usr/bin/env python3
"""Peak memory of training steps on the CPU, beside the same network in plain PyTorch.

    benchmarks/training_memory.py [fcn_resnet_50 fcn8s] [--precision bfloat16]

`fcn_resnet_50` is FCN-ResNet-50 with its auxiliary head on 2 images of 320 x 320, beside
torchvision's `fcn_resnet50(aux_loss=True)`; `fcn8s` is FCN-8s on one image of 500 x 500, beside
the same written by hand. Each runs in a process of its own and takes three steps of SGD with
momentum; the peak is that of the process, libraries included. torchcaffe runs without and with
recomputation of activations.
"""

import argparse
import resource
import subprocess
import sys
import time

import numpy as np

GIB = 2**30
NETWORKS = {"fcn_resnet_50": (2, 320), "fcn8s": (1, 500)}
CLASSES, STEPS = 21, 3
AUXILIARY_WEIGHT = 0.4
RATE, MOMENTUM, DECAY = 1e-3, 0.9, 1e-4


def peak():
    """The most memory that this process has had resident, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB


def batch(network):
    """Images and labels of noise: float32 N x 3 x H x W and N x H x W."""
    count, size = NETWORKS[network]
    random = np.random.RandomState(1)
    images = random.uniform(-2, 2, (count, 3, size, size)).astype(np.float32)
    return images, random.randint(0, CLASSES, (count, size, size))


def caffe_message(network):
    """The network with a loss as a NetParameter with Input layers."""
    count, size = NETWORKS[network]
    if network == "fcn8s":
        from engines import REPO, with_loss

        message = with_loss(REPO / "prototxt/voc_fcn8s/deploy.prototxt", size, size)
        for layer in message.layer:
            for shape in layer.input_param.shape:
                shape.dim[0] = count
        return message
    from training_step import training_net

    return training_net(network, count, size)


def solver_step(network, recompute, precision):
    """Return what takes a step of torchcaffe's solver and returns the loss."""
    import torchcaffe as caffe
    from caffeformat import pb

    caffe.set_random_seed(1)
    if precision != "float32":
        caffe.set_precision(precision)
    recipe = pb.SolverParameter(
        base_lr=RATE, lr_policy="fixed", momentum=MOMENTUM, weight_decay=DECAY
    )
    recipe.train_net_param.CopyFrom(caffe_message(network))
    solver = caffe.SGDSolver(param=recipe)
    solver.net.training.recompute = recompute
    images, labels = batch(network)
    solver.net.blobs["data"].data[...] = images
    solver.net.blobs["label"].data[...] = labels[:, None]

    def step():
        solver.step(1)
        return float(solver.net.blobs["loss"].data)

    return step


def torchvision_segmentation():
    """torchvision's segmentation networks, also where its compiled operators do not load."""
    import torch

    try:
        import torchvision
    except RuntimeError:
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor d, Tensor s, float t) -> Tensor")
        import torchvision
    return torchvision.models.segmentation


def torch_step(network, precision, device="cpu", train=True):
    """Return what takes a step of plain PyTorch, under autocast if so, and returns the loss.

    Without `train` the step is a forward pass alone, BatchNorm with its running statistics.
    """
    import torch

    torch.manual_seed(1)
    if network == "fcn8s":
        from torchcaffe_overhead import HandWrittenFCN8s

        import torchcaffe
        from caffeformat import pb

        module = HandWrittenFCN8s(torchcaffe.Net(net_param=caffe_message(network), phase=pb.TRAIN))
    else:
        module = torchvision_segmentation().fcn_resnet50(
            weights=None, weights_backbone=None, aux_loss=True
        )
    module.train(train).to(device)
    optimizer = torch.optim.SGD(module.parameters(), RATE, MOMENTUM, weight_decay=DECAY)
    images, labels = (torch.from_numpy(array).to(device) for array in batch(network))
    lower = torch.autocast(device, getattr(torch, precision), enabled=precision != "float32")
    entropy = torch.nn.functional.cross_entropy

    def step():
        optimizer.zero_grad()
        with lower:
            made = module(images)
            if network == "fcn8s":
                loss = entropy(made, labels)
            else:
                loss = entropy(made["out"], labels)
                loss = loss + AUXILIARY_WEIGHT * entropy(made["aux"], labels)
        if train:
            loss.backward()
            optimizer.step()
        return float(loss.detach())

    return step


def work(network, kind, precision):
    """Take the steps and print the peak, the time of the last step and the losses."""
    if kind == "pytorch":
        step = torch_step(network, precision)
    else:
        step = solver_step(network, kind == "recompute", precision)
    losses = []
    for _ in range(STEPS):
        start = time.perf_counter()
        losses.append(step())
        seconds = time.perf_counter() - start
    print(f"{peak():.3f} {seconds:.3f} {' '.join(f'{loss:.4f}' for loss in losses)}")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.worker:
        return work(args.networks[0], args.worker, args.precision)
    for network in args.networks:
        plain = None
        for kind in ("pytorch", "torchcaffe", "recompute"):
            command = [sys.executable, __file__, network, "--worker", kind]
            command += ["--precision", args.precision]
            made = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            memory, seconds, *losses = made.split()
            plain = plain or float(memory)
            print(
                f"{network:14} {kind:11} peak {float(memory):5.2f} GiB, "
                f"{float(memory) / plain:.2f}x; {float(seconds):6.2f} s per step; losses "
                f"{', '.join(losses)}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
