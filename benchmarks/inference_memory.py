#!/usr/bin/env python3
"""Peak memory of FCN-8s on one image: infer, our Net with all blobs alive, and BVLC Caffe's.

`infer` is measured in the runtime that it takes, with its check against the engine (`first time`)
and without (`later`), and on the engine alone.

    benchmarks/inference_memory.py [--net prototxt/voc_fcn8s/deploy.prototxt] [--size 500x500]

Weights are random. BVLC Caffe is measured if it is set up beside the project
(scripts/setup_bvlc_caffe.sh).
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from net_surgery import random_weights
from PIL import Image

HERE = Path(__file__).resolve().parent
REPO = HERE.parent


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--net", default=str(REPO / "prototxt/voc_fcn8s/deploy.prototxt"))
    parser.add_argument("--size", default="500x500", help="image width x height")
    parser.add_argument("--root", default=REPO / ".bullseye", help="Debian folder with BVLC Caffe")
    args = parser.parse_args(argv)
    ways = {
        "infer, first time": ([sys.executable], "torch", "infer"),
        "infer, later": ([sys.executable], "torch", "infer"),
        "infer, engine alone": ([sys.executable], "torch", "engine"),
        "Net, all blobs": ([sys.executable], "torch", "net"),
    }
    if (Path(args.root) / "usr/lib/python3/dist-packages/caffe").is_dir():
        run = [str(REPO / "scripts/bvlc_run.sh"), str(args.root), "python3"]
        ways["Net of BVLC Caffe"] = (run, "bvlc", "net")
    width, height = map(int, args.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FCNKIT_CACHE"] = folder
        weights, image = (os.path.join(folder, name) for name in ("w.caffemodel", "image.png"))
        random_weights(args.net, weights)
        pixels = np.random.RandomState(0).randint(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(image)
        measured = {
            way: peak([*python, str(HERE / "inference_memory_worker.py"), what],
                      [args.net, weights, image], engine)
            for way, (python, engine, what) in ways.items()
        }  # fmt: skip
    for way, mebibytes in measured.items():
        print(f"{way:22}{mebibytes * 2**20 / 1e9:6.2f} GB")


def peak(command, arguments, engine):
    """Return the peak resident MiB that the worker reports."""
    environment = {**os.environ, "FCNKIT_ENGINE": engine}
    done = subprocess.run(
        [*command, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    word, _, figure = done.stdout.rstrip().rpartition("\n")[2].partition(" ")
    if done.returncode or word != "peak":
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return float(figure)


if __name__ == "__main__":
    sys.exit(main())
