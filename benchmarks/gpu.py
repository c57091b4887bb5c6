#!/usr/bin/env python3
"""Time and memory of training steps and forward passes on a CUDA device, beside plain PyTorch.

    benchmarks/gpu.py [fcn_resnet_50 fcn8s] [--batch 8] [--size 480] [--precisions float32 bfloat16]

The networks and their peers are those of `training_memory.py`, each in a process of its own; the
peer in lower precision runs under autocast. TensorFloat-32 is off in both. The least time of
fifteen counts; memory is the most that PyTorch's allocator has held. A forward pass of torchcaffe
keeps all blobs, as pycaffe's does; that of `infer` keeps none but the one that is asked for.
"""

import argparse
import subprocess
import sys
import time

import training_memory

WARM_UP, ROUNDS = 3, 15
KINDS = (
    *("pytorch", "torchcaffe", "recompute"),
    *("forward-pytorch", "forward-torchcaffe", "forward-infer"),
)


def torchcaffe_forward(network, precision, keep_blobs):
    """Return what runs the net of `network` once, data and label on the GPU already.

    The stored mean and variance of its BatchNorms are 0 and 1, as the peer's.
    """
    import torchcaffe as caffe
    from caffeformat import pb

    caffe.set_random_seed(1)
    with caffe.precision(precision):
        net = caffe.Net(net_param=training_memory.caffe_message(network), phase=pb.TEST)
    for step in net.steps:
        if step.layer.type == "BatchNorm":
            for blob in step.layer.blobs[1:]:
                blob.data[...] = 1
    images, labels = training_memory.batch(network)
    net.blobs["data"].data[...] = images
    net.blobs["label"].data[...] = labels[:, None]

    def run():
        if not keep_blobs:
            return float(net.forward(blobs=["loss"], keep_blobs=False)["loss"])
        net.run_forward()
        return float(net.blobs["loss"].data)

    return run


def pytorch_forward(network, precision):
    """Return what runs the peer's module and its loss once, without gradients."""
    import torch

    step = training_memory.torch_step(network, precision, "cuda", train=False)

    def run():
        with torch.inference_mode():
            return step()

    return run


def work(network, kind, precision):
    """Print the least milliseconds of a round, the most memory in MiB and the last loss."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    if "pytorch" not in kind:
        import torchcaffe as caffe

        caffe.set_mode_gpu()
        caffe.set_device(0)
    if kind == "forward-pytorch":
        run = pytorch_forward(network, precision)
    elif kind.startswith("forward"):
        run = torchcaffe_forward(network, precision, keep_blobs=kind == "forward-torchcaffe")
    elif kind == "pytorch":
        run = training_memory.torch_step(network, precision, "cuda")
    else:
        run = training_memory.solver_step(network, kind == "recompute", precision)
    times = []
    for _ in range(WARM_UP + ROUNDS):
        torch.cuda.synchronize()
        start = time.perf_counter()
        loss = run()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    held = torch.cuda.max_memory_allocated() / 2**20
    print(f"{min(times[WARM_UP:]) * 1000:.3f} {held:.0f} {loss:.4f}")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=list(training_memory.NETWORKS))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=480, help="height and width of the images")
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--worker", choices=KINDS, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    for name in training_memory.NETWORKS:
        training_memory.NETWORKS[name] = (args.batch, args.size)
    if args.worker:
        return work(args.networks[0], args.worker, args.precisions[0])
    for network in args.networks:
        for precision in args.precisions:
            plain = {}
            for kind in KINDS:
                command = [sys.executable, __file__, network, "--worker", kind]
                command += ["--precisions", precision, "--batch", str(args.batch)]
                command += ["--size", str(args.size)]
                made = subprocess.run(command, stdout=subprocess.PIPE, text=True)
                if made.returncode:
                    print(f"{network:14} {precision:9} {kind:19} failed", flush=True)
                    continue
                milliseconds, memory, loss = map(float, made.stdout.split()[-3:])
                pass_name = "forward" if kind.startswith("forward") else "step"
                peer = plain.setdefault(pass_name, (milliseconds, memory))
                print(
                    f"{network:14} {precision:9} {kind:19} {milliseconds:8.2f} ms, "
                    f"{milliseconds / peer[0]:.2f}x; {memory:7.0f} MiB, {memory / peer[1]:.2f}x; "
                    f"loss {loss:.4f}",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
