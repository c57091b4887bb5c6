#!/usr/bin/env python3
"""Reading and writing a large caffemodel: time and memory, against protobuf's own parser.

    python benchmarks/caffemodel_read.py --megabytes 500

Each measurement runs in a process of its own, and the two ways alternate. Every weight is summed,
so that a mapped file is really read. "anonymous" is the peak of memory that is not the
file itself: what a second copy costs.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

from caffeformat import Weights, pb, read_caffemodel, write_caffemodel


def make(path, megabytes):
    """A caffemodel of about this size: eight layers with biases."""
    rows, rng = megabytes * 1_000_000 // 8 // (4 * 4096), np.random.RandomState(0)
    kernel = rng.standard_normal((rows, 4096)).astype(np.float32)
    layers = {f"fc{i}": [kernel, kernel[:, 0]] for i in range(8)}
    write_caffemodel(path, Weights(layers, "large", dict.fromkeys(layers, "InnerProduct")))


def read_ours(path):
    return lambda: sum(float(b.sum()) for blobs in read_caffemodel(path).values() for b in blobs)


def read_protobuf(path):
    def read():
        net = _parse(path)
        blobs = [blob for layer in net.layer for blob in layer.blobs]
        return sum(float(np.array(b.data, np.float32).reshape(b.shape.dim).sum()) for b in blobs)

    return read


def write_ours(path):
    weights = {name: [b.copy() for b in blobs] for name, blobs in read_caffemodel(path).items()}
    return lambda: write_caffemodel(path + ".copy", weights)


def write_protobuf(path):
    net = _parse(path)

    def write():
        with open(path + ".copy", "wb") as file:
            file.write(net.SerializeToString())
            os.fsync(file.fileno())  # as write_caffemodel does

    return write


def _parse(path):
    net = pb.NetParameter()
    with open(path, "rb") as file:
        net.ParseFromString(file.read())
    return net


TASKS = {
    "read ours": read_ours,
    "read protobuf": read_protobuf,
    "write ours": write_ours,
    "write protobuf": write_protobuf,
}


def anonymous_megabytes():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1000


def measure(task, path):
    """Print seconds and the peak of anonymous memory that one task takes on top of its input."""
    run = TASKS[task](path)
    before, peak, done = anonymous_megabytes(), 0.0, threading.Event()

    def watch():
        nonlocal peak
        while not done.wait(0.005):
            peak = max(peak, anonymous_megabytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    run()
    seconds = time.perf_counter() - start
    peak = max(peak, anonymous_megabytes())
    done.set()
    watcher.join()
    print(seconds, max(peak - before, 0))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--task", choices=TASKS, help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.task:
        measure(args.task, args.path)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "large.caffemodel")
        make(path, args.megabytes)
        results = {task: [] for task in TASKS}
        for _ in range(args.rounds):
            for task in TASKS:
                command = [sys.executable, __file__, "--task", task, "--path", path]
                printed = subprocess.run(command, check=True, capture_output=True, text=True)
                results[task].append([float(value) for value in printed.stdout.split()])
        size = os.path.getsize(path) / 1e6
    print(f"caffemodel of {size:.0f} MB, median of {args.rounds} rounds")
    medians = {task: np.median(values, axis=0) for task, values in results.items()}
    for task, (seconds, memory) in medians.items():
        print(f"{task:15} {seconds:8.2f} s   anonymous {memory:8.1f} MB")
    for verb in ("read", "write"):
        time_ratio, memory_ratio = medians[f"{verb} ours"] / medians[f"{verb} protobuf"]
        print(f"{verb}: {time_ratio:.3f}x the time and {memory_ratio:.3f}x protobuf's memory")


if __name__ == "__main__":
    main()
