"""train_stages in a separate process, killed at any stage: --resume gives the same results."""

import glob
import json
import os
import signal
import subprocess
import time

import pytest
from own_processes import module
from tiny_segmentation import write_dataset
from tiny_stages import FAMILY, write_family

pytestmark = [pytest.mark.usefixtures("needs_engine"), pytest.mark.slow]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    write_dataset(folder / "data")
    write_family(folder / "family", snapshot=10)
    return folder


def start(here, output, *arguments):
    solvers = [os.path.join("family", name, "solver.prototxt") for name in FAMILY[:2]]
    return subprocess.Popen(
        [*module("fcnkit"), "train_stages", *solvers, "--data", "data", "-o", output,
         "--fill", "msra", "--seed", "1", "--augment", "flip=yes", "--iterations", "30",
         "--batch-size", "2", "--no-validation",
         *arguments],
        cwd=here,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def scores(here, output):
    with open(here / output / "stages.json", encoding="utf-8") as file:
        return [(r["name"], r["agreement"], r["start"], r["end"]) for r in json.load(file)]


@pytest.fixture(scope="module")
def whole(here):
    assert start(here, "whole").wait() == 0
    return scores(here, "whole")


@pytest.mark.parametrize(
    "sign",
    [
        "shapes_fcn32s/stage.json",
        "shapes_fcn32s/*_iter_10.solverstate",
        "shapes_fcn32s/masks",
        "shapes_fcn16s/start.caffemodel",
        "shapes_fcn16s/*_iter_20.solverstate",
    ],
)
def test_a_killed_run_ends_like_an_uninterrupted_one(here, whole, sign):
    output = "run_" + sign.replace("/", "_").replace("*", "")
    process = start(here, output)
    deadline = time.monotonic() + 120
    while not glob.glob(str(here / output / sign)):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert start(here, output, "--resume").wait() == 0
    for ours, theirs in zip(scores(here, output), whole):
        assert ours[:2] == (theirs[0], pytest.approx(theirs[1], abs=1e-3))
        assert ours[3] == pytest.approx(theirs[3], abs=1e-3)
