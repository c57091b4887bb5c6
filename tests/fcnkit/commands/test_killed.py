"""Commands that are killed at any moment: the next run works, nothing is left, no input is lost."""

import os
import random
import signal
import subprocess
import time

import numpy as np
import pytest
from own_processes import module
from tiny_segmentation import write_dataset, write_solver

from caffeformat import write_caffemodel
from fcnkit.commands import main

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("FCNKIT_KILLS", "8"))
NET = (
    'layer { name: "data" type: "Input" top: "data" input_param '
    "{ shape { dim: 1 dim: 3 dim: 8 dim: 8 } } } "
    'layer { name: "score" type: "Convolution" bottom: "data" top: "score" '
    "convolution_param { num_output: 500 kernel_size: 30 pad: 15 } }"
)


def start(*command):
    return subprocess.Popen(
        module("fcnkit", *command), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


class Kills:
    """Starts a command again and again, and kills it; `count` of them before it ended.

    Half of the kills come soon after something temporary has appeared, the others at any time
    of the shortest whole run so far.
    """

    def __init__(self, *command):
        self.command, self.count = command, 0
        begin = time.monotonic()
        process = start(*command)
        _, error = process.communicate()
        assert process.returncode == 0, error
        self.whole = time.monotonic() - begin

    def once(self):
        """Start the command, and kill it if it runs for long enough."""
        begin = time.monotonic()
        process = start(*self.command)
        end = begin + self.whole * random.uniform(0.5, 1.02)
        waits_for_writing = random.random() < 0.5
        while process.poll() is None:
            if waits_for_writing and _is_writing():
                time.sleep(self.whole * random.uniform(0, 0.1))
                break
            if not waits_for_writing and time.monotonic() > end:
                break
            time.sleep(0.001)
        process.kill()
        process.communicate()
        if process.returncode == -signal.SIGKILL:
            self.count += 1
        else:
            self.whole = min(self.whole, time.monotonic() - begin)


def _is_writing():
    """Whether something temporary is in this folder, or in a run's."""
    return any(".fcnkit-f" in name for where in (".", "run") for name in _listed(where))


def _listed(folder):
    return os.listdir(folder) if os.path.isdir(folder) else []


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names():
    return sorted(os.listdir())


@pytest.mark.parametrize("force", [False, True])
def test_create_lmdb(here, tree, force):
    write_dataset(here / "voc", train=60, val=20, size=(100, 120))
    before = tree(here / "voc")
    command = ["create_lmdb", "voc", "lmdb", "--workers", "2", *(["--force"] if force else [])]
    kills = Kills(*command)
    expected = tree(here / "lmdb")
    for _ in range(KILLS):
        if not force:
            os.rename("lmdb", "done")
        kills.once()
        if os.path.isdir("lmdb") and not force:
            assert tree(here / "lmdb") == expected  # all or nothing
            os.rename("lmdb", "complete")
        assert main.main(command) == 0
        assert tree(here / "lmdb") == expected and tree(here / "voc") == before
        for name in ("done", "complete"):
            subprocess.run(["rm", "-rf", name], check=True)
        assert names() == ["lmdb", "voc"]
    assert kills.count


@pytest.mark.parametrize("ending", ["caffemodel", "safetensors", "h5"])
def test_export(here, ending):
    (here / "net.prototxt").write_text(NET)
    blobs = [np.random.rand(500, 3, 30, 30).astype(np.float32), np.zeros(500, np.float32)]
    write_caffemodel("w.caffemodel", {"score": blobs})
    command = ["export", "net.prototxt", "w.caffemodel", f"out.{ending}", "--force"]
    kills = Kills(*command)
    expected = (here / f"out.{ending}").read_bytes()
    for turn in range(KILLS):
        if turn % 2:
            os.remove(f"out.{ending}")
        kills.once()
        if not turn % 2:
            assert len((here / f"out.{ending}").read_bytes()) == len(expected)
        assert main.main(command) == 0
        assert names() == sorted(["net.prototxt", f"out.{ending}", "w.caffemodel"])
    assert kills.count


@pytest.mark.usefixtures("needs_engine")
def test_train(here, tree):
    write_dataset(here / "voc")
    assert main.main(["create_lmdb", "voc", "lmdb"]) == 0
    write_solver(here, max_iter=40, snapshot=5)
    before = tree(here / "lmdb")
    command = ["train", "solver.prototxt", "--data", "lmdb", "-o", "run", "--seed", "1"]
    kills = Kills(*command)
    expected = [name for name in sorted(os.listdir("run")) if not name.startswith("snap")]
    for _ in range(KILLS):
        subprocess.run(["rm", "-rf", "run"], check=True)
        kills.once()
        assert main.main([*command, "--resume"]) == 0
        found = [name for name in sorted(os.listdir("run")) if not name.startswith("snap")]
        assert found == expected
        assert "snap_iter_40.caffemodel" in os.listdir("run")
        assert names() == ["lmdb", "net.prototxt", "run", "solver.prototxt", "voc"]
        assert tree(here / "lmdb") == before
    assert kills.count
