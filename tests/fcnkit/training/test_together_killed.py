"""Trainings of several processes, killed at random moments or interrupted: nothing is lost.

Ten kills in all, of a process drawn by chance, and later than the moment by a time drawn by chance.
"""

import contextlib
import os
import random
import shutil
import socket
import time

import numpy as np
import pytest
from rank_processes import MarkedRun, wait_for
from tiny_segmentation import net_text, write_dataset, write_solver

from caffeformat import read_caffemodel, read_solver_state
from fcnkit import engine
from fcnkit.training import parse_log

pytestmark = pytest.mark.slow

STEPS, INTERVAL = 60, 5  # steps between snapshots
# When a process is killed, and how many seconds later at most: while the processes start, between
# steps, while a snapshot is written, while validation images are tested, and after the last step.
MOMENTS = {"starting": 4.0, "stepping": 0.3, "saving": 0.002, "testing": 0.05, "ending": 0.5}
KILLS = 2  # in each run
PATIENCE = 600  # seconds: others may need the machine, too
# Convolutions that make snapshots large enough to be caught while they are written.
WIDE = """
layer { name: "wide" type: "Convolution" bottom: "conv1" top: "wide"
  convolution_param { num_output: 256 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "wide2" type: "Convolution" bottom: "wide" top: "wide2"
  convolution_param { num_output: 256 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "score" type: "Convolution" bottom: "wide2" """


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with a dataset, a solver, and `whole`, what an unbroken run has left."""
    pytest.importorskip("torchcaffe")
    folder = tmp_path_factory.mktemp("killed")
    write_dataset(folder / "data", train=10, val=20)
    text = net_text().replace(
        'layer { name: "score" type: "Convolution" bottom: "conv1" ', WIDE.lstrip()
    )
    write_solver(folder, text, max_iter=STEPS, base_lr=0.01, display=1, snapshot=INTERVAL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(engine.VARIABLE, "torch")
        status, said = MarkedRun(folder, *command("whole", "--processes", "2")).end(PATIENCE)
        assert status == 0, said
        yield folder


def command(output, *more):
    return (
        "fcnkit", "train", "solver.prototxt", "--data", "data", "--augment", "flip=yes",
        "--test-interval", "20", "--keep", "3", "--output", output, *more,
    )  # fmt: skip


def two_nodes(folder, *words):
    """Two agents of torchrun on this machine, with a process each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torchrun = [
        "--nnodes=2", "--nproc-per-node=1", "--max-restarts=30", f"--rdzv-id={port}",
        "--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{port}",
    ]  # fmt: skip
    return [MarkedRun(folder, *words, torchrun=torchrun) for _ in range(2)]


class Watched:
    """A run in the folder `run`, whose `nodes` share the work: when is it where?"""

    def __init__(self, run, nodes):
        self.run, self.nodes = run, nodes

    def ranks(self):
        return {rank: pid for node in self.nodes for rank, pid in node.ranks().items()}

    def text(self):
        with contextlib.suppress(FileNotFoundError):
            return (self.run / "train.log").read_text()
        return ""

    def is_at(self, kind, before):
        """Whether it is at a moment of that kind; `before`: the text of the log at the last one."""
        if kind == "starting":
            return len(self.ranks()) == len(self.nodes)
        news = self.text()[len(before) :]
        if kind == "saving":
            with contextlib.suppress(FileNotFoundError):
                return "Iteration" in news and any(
                    name.endswith((".fcnkit-file", ".fcnkit-folder")) and "snap_" in name
                    for name in os.listdir(self.run)
                )
            return False
        text = {"stepping": "Train net output", "testing": "Testing net", "ending": "Done."}[kind]
        return text in news

    def wait(self, kind, before):
        deadline = time.monotonic() + PATIENCE
        while not self.is_at(kind, before):
            assert time.monotonic() < deadline, f"never {kind}:\n{self.text()[-2000:]}"
            assert all(node.process.poll() is None for node in self.nodes), "ended too early"
            if kind == "starting":
                time.sleep(0.05)


def weights_of(path):
    layers = read_caffemodel(path)
    return {(name, i): np.array(b) for name in layers for i, b in enumerate(layers[name])}


def left(folder):
    """What a run left: its files' names, the newest weights and history, the best, the log."""
    stem = folder / f"snap_iter_{STEPS}"
    state = read_solver_state(f"{stem}.solverstate")
    rows = parse_log(str(folder / "train.log"))
    best = weights_of(folder / "snap_best.caffemodel")
    arrays = [*weights_of(f"{stem}.caffemodel").values(), *state.history, *best.values()]
    return sorted(os.listdir(folder)), arrays, {row["iteration"]: row for row in rows}


def assert_as_whole(here, output):
    (names, arrays, _), theirs = left(here / output), left(here / "whole")
    assert names == theirs[0]
    assert all(map(np.array_equal, arrays, theirs[1]))


@pytest.mark.parametrize("kind", MOMENTS)
def test_two_machines_of_which_processes_are_killed(kind, here):
    output, draw = f"killed_{kind}", random.Random(kind)
    nodes = two_nodes(here, *command(output))
    watched, before, kills = Watched(here / output, nodes), "", []
    for number in range(KILLS):
        if kind not in ("starting", "ending"):
            # Not before the run is further on than at the last kill
            wait_for(here / output / "train.log", f"Iteration {number * 20 + 7} ", PATIENCE)
        watched.wait(kind, before)
        rank, pause = draw.randrange(2), draw.uniform(0, MOMENTS[kind])
        time.sleep(pause)
        pid = watched.ranks().get(rank)
        kills.append((kind, rank, round(pause, 3), watched.text().rstrip().rpartition("\n")[2]))
        print(kills[-1])
        assert any(node.kill(rank) for node in nodes), kills
        before = watched.text()
        deadline = time.monotonic() + PATIENCE
        while watched.ranks().get(rank) in (pid, None) and time.monotonic() < deadline:
            time.sleep(0.05)
    for node in nodes:
        status, text = node.end(PATIENCE)
        assert status == 0, (kills, text)
        assert node.leaves_nobody() and node.leaves_no_file(), kills
    assert_as_whole(here, output)
    ours, theirs = left(here / output)[2], left(here / "whole")[2]
    assert {at: row["loss"] for at, row in ours.items() if "loss" in row} == {
        at: row["loss"] for at, row in theirs.items() if "loss" in row
    }


@pytest.mark.parametrize("rank", [0, 1])
def test_a_run_that_replaces_another_begins_anew_after_a_kill_before_its_first_step(rank, here):
    output = f"replaced_{rank}"
    shutil.copytree(here / "whole", here / output)
    node = MarkedRun(here, *command(output, "--processes", "2", "--force"))
    deadline = time.monotonic() + PATIENCE
    while not any((here / output).glob("before-*/*.caffemodel")):
        assert node.process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    assert node.kill(rank)
    status, text = node.end(PATIENCE)
    assert status == 0, text
    assert rank or "the earlier run is back" in text, text
    assert node.leaves_nobody() and node.leaves_no_file()
    assert_as_whole(here, output)
    log = (here / output / "train.log").read_text()
    assert "Resuming" not in log and log != (here / "whole" / "train.log").read_text()


def assert_goes_on(here, output):
    """What is left of an interrupted run is whole, and resumed it ends as the unbroken one."""
    files = {}
    for path in (here / output).glob("snap_iter_*"):
        read = read_caffemodel if path.suffix == ".caffemodel" else read_solver_state
        assert read(path)
        files.setdefault(path.stem, []).append(path)
    assert files and all(len(pair) == 2 for pair in files.values())
    resumed = MarkedRun(here, *command(output, "--processes", "2", "--resume"))
    status, text = resumed.end(PATIENCE)
    assert status == 0, text
    assert_as_whole(here, output)


@pytest.mark.parametrize("kind", ["stepping", "saving", "testing"])
def test_ctrl_c_leaves_a_whole_snapshot_and_nobody(kind, here):
    output = f"interrupted_{kind}"
    node = MarkedRun(here, *command(output, "--processes", "2"))
    Watched(here / output, [node]).wait(kind, "")
    node.interrupt()
    status, text = node.end(PATIENCE)
    assert status == 130 and "stopped after" in text and "Traceback" not in text, text
    assert node.leaves_nobody() and node.leaves_no_file()
    assert_goes_on(here, output)


@pytest.mark.parametrize("pressed", [0, 1], ids=["the root's machine", "the other machine"])
def test_ctrl_c_on_one_of_two_machines_ends_both(pressed, here):
    output = f"one_interrupted_{pressed}"
    nodes = two_nodes(here, *command(output))
    Watched(here / output, nodes).wait("stepping", "")
    (node,) = [node for node in nodes if pressed in node.ranks()]
    node.interrupt()
    for one in nodes:
        _, text = one.end(PATIENCE)
        assert one.leaves_nobody() and one.leaves_no_file(), text
    assert_goes_on(here, output)
