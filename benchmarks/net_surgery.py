#!/usr/bin/env python3
"""Net surgery on files, compared to a transplant of whole messages and to BVLC Caffe's.

    benchmarks/net_surgery.py [--network vgg16] [--runs 3] [--skip-protobuf]

Weights are random, of the network's full size. BVLC Caffe is measured if it is set up beside the
project (scripts/setup_bvlc_caffe.sh); its result is compared with ours. Prints medians of
alternating runs.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from caffeformat import Weights, read_caffemodel, read_net, write_caffemodel
from fcnkit import zoo
from fcnkit.nets import net_parameters

HERE = Path(__file__).resolve().parent
REPO = HERE.parent
TARGETS = {"bvlc_alexnet": "fcn_alexnet", "vgg16": "voc_fcn32s"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--network", choices=TARGETS, default="bvlc_alexnet")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--skip-protobuf", action="store_true")
    args = parser.parse_args()
    root = Path(os.environ.get("FCNKIT_BVLC_ROOT") or REPO / ".bullseye")
    python = [sys.executable]
    ways = {"files": python}
    if not args.skip_protobuf:
        ways["protobuf"] = python
    if (root / "usr/lib/python3/dist-packages/caffe").is_dir():
        ways["pycaffe"] = [str(REPO / "scripts/bvlc_run.sh"), str(root), "python3"]
    model = zoo.path(args.network, "deploy.prototxt")
    target = zoo.path(TARGETS[args.network], "deploy.prototxt")
    with tempfile.TemporaryDirectory() as folder:
        weights = os.path.join(folder, "source.caffemodel")
        random_weights(model, weights)
        size = os.path.getsize(weights) / 1e6
        print(f"{args.network} -> {TARGETS[args.network]}, {size:.0f} MB, {args.runs} runs")
        measured = {way: [] for way in ways}
        for _ in range(args.runs):
            for way, command in ways.items():
                output = os.path.join(folder, f"{way}.caffemodel")
                if os.path.exists(output):
                    os.remove(output)
                worker = [*command, str(HERE / "surgery_worker.py"), way]
                measured[way].append(run([*worker, model, weights, target, output], folder))
        report(measured)
        if "pycaffe" in ways:
            compare(*(os.path.join(folder, f"{way}.caffemodel") for way in ("files", "pycaffe")))


def random_weights(model, path):
    """Write normal weights for every parameter of the network at `model`."""
    random = np.random.RandomState(0)
    weights = Weights()
    net = read_net(model)
    for layer, blobs in net_parameters(net):
        weights[layer.name] = [
            (random.standard_normal(blob.shape) * 0.01).astype(np.float32) for blob in blobs
        ]
    write_caffemodel(path, weights, net)


def run(command, folder):
    """Return the (seconds, peak MiB) that the worker reports."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    line = done.stdout.rstrip().rpartition("\n")[2].split()
    if done.returncode or line[:1] != ["measured"]:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return float(line[1]), float(line[2])


def report(measured):
    """Print the medians, and ours as a share of each peer's."""
    medians = {
        way: [statistics.median(column) for column in zip(*pairs)]
        for way, pairs in measured.items()
    }
    ours = medians["files"]
    print(f"{'way':10}{'seconds':>9}{'peak MiB':>10}{'ours/its time':>15}{'ours/its peak':>15}")
    for way, (seconds, peak) in medians.items():
        shares = f"{ours[0] / seconds:15.2f}{ours[1] / peak:15.2f}" if way != "files" else ""
        print(f"{way:10}{seconds:9.2f}{peak:10.0f}{shares}")


def compare(ours, theirs):
    """Exit unless both files hold the same values wherever weights came from the source."""
    ours, theirs = read_caffemodel(ours), read_caffemodel(theirs)
    for name, blobs in ours.items():
        for index, blob in enumerate(blobs):
            # Berkeley's upsampling has no filler: ours interpolates, pycaffe's awaits its script.
            if not np.array_equal(blob, theirs[name][index]) and theirs[name][index].any():
                sys.exit(f"layer {name}, blob {index}: the results differ")
    print("same values in both results")


if __name__ == "__main__":
    main()
