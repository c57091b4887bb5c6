#!/usr/bin/env python3
"""Runs networks on BVLC Caffe and on torchcaffe and prints the largest difference of every blob."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
REPO = HERE.parent.parent

# Differences count against the array's own size: an element below this part of the largest is noise
# of the terms that cancelled in it.
NOISE_FLOOR = 0.01


def largest_difference(ours, theirs):
    """Largest |ours - theirs| relative to max(|theirs|, 1% of the array's largest).

    Differences up to 1e-5 count as none; other shapes and NaN on one side alone are infinite.
    """
    if ours.shape != theirs.shape:
        return np.inf
    if not ours.size:
        return 0.0
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    size = np.abs(theirs)
    noise = NOISE_FLOOR * size[np.isfinite(size)].max(initial=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.where(same, 0, np.maximum(np.abs(ours - theirs) - 1e-5, 0))
        relative = excess / np.maximum(size, noise)
    largest = np.where(excess == 0, 0, relative).max()
    return float(np.inf if np.isnan(largest) else largest)


def differences(net_path):
    """{key: largest difference} between the two dumps beside `net_path` (see engine_dump.py)."""
    with np.load(f"{net_path}.torch.npz") as ours, np.load(f"{net_path}.bvlc.npz") as theirs:
        return {
            key: largest_difference(ours[key], theirs[key])
            if key in ours.files and key in theirs.files
            else np.inf
            for key in dict.fromkeys([*theirs.files, *ours.files])
        }


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--root", default=REPO / ".bullseye", help="Debian 11 folder with BVLC Caffe"
    )
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--phase", choices=("TRAIN", "TEST"), default="TEST")
    parser.add_argument("--weights", help="caffemodel; random weights without it")
    parser.add_argument("net", help="NET.prototxt")
    args = parser.parse_args(argv)

    dump = [HERE / "engine_dump.py", "--phase", args.phase, args.net]
    if args.weights:
        dump += ["--weights", args.weights]
    folders = [os.path.dirname(os.path.abspath(path)) for path in (args.net, args.weights) if path]
    shared = [word for folder in folders for word in ("-b", folder)]
    inside = [REPO / "scripts/bvlc_run.sh", *shared, args.root, "python3"]
    for engine, python in (("bvlc", inside), ("torch", [sys.executable])):
        environment = {**os.environ, "FCNKIT_ENGINE": engine}
        subprocess.run([*python, *dump], check=True, env=environment)
    found = differences(args.net)
    width = max(map(len, found))
    for key, difference in found.items():
        print(f"{key:{width}}  {difference:.2e}" + ("  <--" * (difference > args.tolerance)))
    return int(max(found.values()) > args.tolerance)


if __name__ == "__main__":
    sys.exit(main())
