"""A run killed at random moments and resumed leaves the snapshots of the unbroken one."""

import json
import os
import random
import signal
import subprocess
import time

import numpy as np
import pytest
from own_processes import module
from tiny_segmentation import write_dataset, write_solver

from caffeformat import read_caffemodel

pytestmark = [pytest.mark.usefixtures("needs_engine"), pytest.mark.slow]

KILLS = 6


def start(folder, output, *arguments):
    command = [*module("fcnkit"), "train", "solver.prototxt", "--data", "data", "-o", output,
               "--augment", "flip=yes", "--keep", "2", "--patience", "40",
               "--snapshot-interval", "7", *arguments]  # fmt: skip
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def left(folder):
    """What a run left: its record, and the weights of each snapshot."""
    record = json.loads((folder / "snapshots.json").read_text())
    weights = {
        name: [np.array(b) for blobs in read_caffemodel(folder / name).values() for b in blobs]
        for name in os.listdir(folder)
        if name.endswith(".caffemodel")
    }
    return record, weights, sorted(os.listdir(folder))


def test_killed_at_random_moments(tmp_path):
    write_dataset(tmp_path / "data")
    write_solver(tmp_path, max_iter=3000, display=500, test_interval=60, base_lr=0.01)
    whole = start(tmp_path, "whole")
    assert whole.wait() == 0, whole.stderr.read()
    draw = random.Random(1)
    for _ in range(KILLS):
        process = start(tmp_path, "run", "--resume")
        deadline = time.monotonic() + 60
        log = tmp_path / "run" / "train.log"
        size = log.stat().st_size if log.exists() else 0
        while not log.exists() or log.stat().st_size == size:
            assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
            time.sleep(0.005)
        time.sleep(draw.uniform(0, 0.8))
        process.send_signal(signal.SIGKILL)
        process.wait()
    last = start(tmp_path, "run", "--resume")
    assert last.wait() == 0, last.stderr.read()
    (ours, our_weights, our_files), (theirs, their_weights, their_files) = (
        left(tmp_path / name) for name in ("run", "whole")
    )
    assert our_files == their_files and ours == theirs
    assert len([name for name in our_files if name.endswith(".solverstate")]) == 2
    for name, blobs in their_weights.items():
        assert all(map(np.array_equal, our_weights[name], blobs)), name
