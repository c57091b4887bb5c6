#!/usr/bin/env python3
"""Models of lower precision against float32 in ONNX Runtime: time, size, agreement of masks.

    benchmarks/lower_precision.py [NET=WIDTHxHEIGHT ...] [--rounds 9] [--engine]

Passes of all models of one net alternate in one process; medians, and ratios to float32. Weights
and images are random, so that masks say little; `fcnkit export --int8` prints what real ones say.
`--engine` adds the engine in float32 and in bfloat16, which is faster than that only on processors
that have it.
"""

import argparse
import os
import statistics
import tempfile
import time

import numpy as np
from runtimes import files

from caffeformat import read_caffemodel, read_net
from fcnkit import engine, export
from fcnkit.runtimes import OnnxSession
from fcnkit.surgery import fold_batch_norm

NETS = {"voc_fcn8s": (500, 500), "fcn_resnet_50": (480, 480)}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nets", nargs="*", help=f"NET=WIDTHxHEIGHT (default: {' '.join(NETS)})")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--engine", action="store_true", help="bfloat16 in the engine, too")
    args = parser.parse_args(argv)
    print("processor:", ", ".join(abilities()) or "neither VNNI nor bfloat16")
    nets = {}
    for text in args.nets:
        name, _, size = text.partition("=")
        nets[name] = tuple(map(int, size.split("x"))) if size else NETS[name]
    with tempfile.TemporaryDirectory() as folder:
        for name, size in (nets or NETS).items():
            measure(name, size, folder, args)


def abilities():
    """What the processor has for numbers of less than 32 bits."""
    with open("/proc/cpuinfo") as file:
        flags = next((line.split() for line in file if line.startswith("flags")), [])
    return [flag for flag in flags if "vnni" in flag or "bf16" in flag or "amx" in flag]


def measure(name, size, folder, args):
    deploy, weights = files(name, folder)
    net = export.deployed(read_net(deploy))
    paths = {
        kind: os.path.join(folder, f"{name}_{kind}.onnx") for kind in ("float32", "int8", "half")
    }
    export.write_parameters(paths["float32"], *fold_batch_norm(net, read_caffemodel(weights)))
    random = np.random.RandomState(0)
    images = [(random.standard_normal((1, 3, *size[::-1])) * 60).astype(np.float32)
              for _ in range(2)]  # fmt: skip
    export.to_int8(paths["float32"], paths["int8"], images[:1])
    export.to_half(paths["float32"], paths["half"], images[:1])
    ways = {kind: opened(path, images[1]) for kind, path in paths.items()}
    if args.engine:
        ways.update(engines(net, weights, images[1]))
    times, scores = {kind: [] for kind in ways}, {}
    for number in range(args.rounds + 1):
        for kind, run in ways.items():
            begin = time.perf_counter()
            scores[kind] = run()
            if number:  # the first one makes its plans
                times[kind].append(time.perf_counter() - begin)
    base = statistics.median(times["float32"])
    print(f"{name} {size[0]}x{size[1]}")
    for kind, found in times.items():
        pace = statistics.median(found)
        same = (scores[kind].argmax(1) == scores["float32"].argmax(1)).mean()
        share = (
            os.path.getsize(paths[kind]) / os.path.getsize(paths["float32"])
            if kind in paths
            else None
        )
        print(
            f"  {kind:16} {1000 * pace:8.0f} ms  {pace / base:5.2f}x"
            + (f"   size {share:.2f}x" if share else " " * 13)
            + f"   pixels of the same class {100 * same:.2f}%",
            flush=True,
        )


def opened(path, image):
    session = OnnxSession(path)
    return lambda: session.run([image])


def engines(net, weights, image):
    """The engine in float32 and in bfloat16, in passes as `infer` makes them."""
    (blob,) = [layer.top[0] for layer in net.layer if layer.type == "Input"]
    ways = {}
    for precision in ("float32", "bfloat16"):
        opened_net = engine.open_net(net, precision=precision)
        opened_net.copy_from(weights)

        def run(opened_net=opened_net):
            opened_net.blobs[blob].reshape(*image.shape)
            opened_net.blobs[blob].data[...] = image
            return next(iter(opened_net.forward(keep_blobs=False).values())).copy()

        ways[f"engine {precision}"] = run
    return ways


if __name__ == "__main__":
    main()
