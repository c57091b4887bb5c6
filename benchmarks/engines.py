#!/usr/bin/env python3
"""CPU time of a net with its loss on torchcaffe and on BVLC Caffe: medians, alternating.

    benchmarks/engines.py [--net prototxt/fcn_alexnet/deploy.prototxt] [--size 500x356]

Needs BVLC Caffe beside the project (scripts/setup_bvlc_caffe.sh). Both use the same cores.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from caffeformat import read_net, write_text

HERE = Path(__file__).resolve().parent
REPO = HERE.parent
PASSES = ("forward", "forward+backward")


def with_loss(path, width, height):
    """The deploy net at `path` for one image of that size, with labels and a loss on `score`."""
    net = read_net(path)
    data = next(layer for layer in net.layer if layer.type == "Input")
    data.input_param.shape[0].dim[:] = [1, 3, height, width]
    label = net.layer.add(name="label", type="Input", top=["label"])
    label.input_param.shape.add(dim=[1, 1, height, width])
    loss = net.layer.add(name="loss", type="SoftmaxWithLoss", top=["loss"])
    loss.bottom.extend(["score", "label"])
    loss.loss_param.ignore_label = 255
    return net


class Worker:
    """A running engine_worker.py."""

    def __init__(self, command, env):
        self.process = subprocess.Popen(
            command,
            cwd=REPO,
            env={**os.environ, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._answer() != "ready":
            sys.exit(f"{command} did not start")

    def _answer(self):
        return self.process.stdout.readline().strip()

    def seconds(self, what):
        print(what, file=self.process.stdin, flush=True)
        return float(self._answer())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--net", default=REPO / "prototxt/fcn_alexnet/deploy.prototxt")
    parser.add_argument("--size", default="500x356", help="image width x height")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--root", default=REPO / ".bullseye", help="Debian folder with BVLC Caffe")
    parser.add_argument("--threads", default=str(len(os.sched_getaffinity(0))))
    args = parser.parse_args(argv)

    threads = {"OMP_NUM_THREADS": args.threads, "OPENBLAS_NUM_THREADS": args.threads}
    width, height = map(int, args.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "net.prototxt")
        write_text(path, with_loss(args.net, width, height))
        script = [str(HERE / "engine_worker.py"), path]
        run = [str(REPO / "scripts/bvlc_run.sh"), str(args.root), "python3"]
        workers = {
            "torch": Worker([sys.executable, *script], {**threads, "FCNKIT_ENGINE": "torch"}),
            "bvlc": Worker([*run, *script], {**threads, "FCNKIT_ENGINE": "bvlc"}),
        }
        times = {(engine, what): [] for engine in workers for what in PASSES}
        for round_number in range(args.rounds + 1):
            for what in PASSES:
                for engine, worker in workers.items():
                    seconds = worker.seconds(what)
                    if round_number:  # the first one allocates
                        times[engine, what].append(seconds)
        for worker in workers.values():
            worker.close()

    print(f"{args.net}, {args.size}, {args.threads} threads, medians of {args.rounds}")
    print(f"{'':18}  torchcaffe  BVLC Caffe  ratio")
    for what in PASSES:
        ours, theirs = (statistics.median(times[engine, what]) for engine in ("torch", "bvlc"))
        print(f"{what:18}  {ours * 1e3:7.0f} ms  {theirs * 1e3:7.0f} ms  {ours / theirs:5.2f}")


if __name__ == "__main__":
    sys.exit(main())
