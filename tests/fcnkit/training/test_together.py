"""Training in several processes: the steps, tests and files of one with the larger batch."""

import contextlib
import importlib
import os

import numpy as np
import pytest
from rank_processes import MarkedRun, wait_for
from tiny_segmentation import net_text, write_dataset, write_solver

from caffeformat import InputError, read_caffemodel, read_solver_state
from fcnkit import engine
from fcnkit.commands import main
from fcnkit.datasets import DatasetFolder, Turn
from fcnkit.engine import Devices
from fcnkit.training import Observer, Outcome, Recipe, curves, train
from fcnkit.training.preparing import prepare_files
from fcnkit.training.together import Prepared, own_passes

NORM = """
layer { name: "bn" type: "BatchNorm" bottom: "conv1" top: "conv1" }
layer { name: "scale" type: "Scale" bottom: "conv1" top: "conv1" scale_param { bias_term: true } }
layer { name: "relu1" """
AUGMENT = {"flip": True, "scale": [0.75, 1.5], "crop": 20}


@pytest.fixture
def torch_engine(monkeypatch):
    pytest.importorskip("torchcaffe")
    monkeypatch.setenv(engine.VARIABLE, "torch")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(curves, "plot", lambda *_: None)


@pytest.fixture
def here(tmp_path, monkeypatch, torch_engine):
    monkeypatch.chdir(tmp_path)
    write_dataset(tmp_path / "data", train=10, val=5)
    text = (
        net_text()
        .replace('layer { name: "relu1" ', NORM)
        .replace("pad: 1", "pad: 1 bias_term: false")
    )
    write_solver(tmp_path, text, max_iter=12, test_interval=4, snapshot=4, display=1)
    return tmp_path


def weights_of(path):
    layers = read_caffemodel(path)
    return {(name, i): np.array(b) for name in layers for i, b in enumerate(layers[name])}


def files(folder):
    """The names in a folder, but for the picture, which `torch_engine` keeps only here from."""
    return {path.name for path in folder.iterdir()} - {"curves.png"}


def assert_same(one, other, limit=1e-5):
    assert one.keys() == other.keys()
    for key, values in one.items():
        assert np.abs(values - other[key]).max() <= limit * np.abs(values).max(), key


# sharing out, without processes


def test_a_turns_images_are_shared_out_in_order():
    for solvers in (1, 2, 3, 4):
        for count in range(1, 9):
            shares = [
                list(Turn(r, solvers, True).share(range(7, 7 + count))) for r in range(solvers)
            ]
            assert set(sum(shares, [])) == set(range(7, 7 + count))  # noqa: RUF017
            if count >= solvers:
                assert sum(shares, []) == list(range(7, 7 + count))  # noqa: RUF017
            assert all(shares)


def test_every_pass_of_a_test_falls_to_one_process():
    for count in (1, 2, 3):
        makes = []
        for rank in range(count):
            together = type("Together", (), {"rank": rank, "count": count})
            makes += own_passes(7, 5, together)
        assert sorted(makes) == [7, 8, 9, 10, 11]


@pytest.mark.parametrize("validate", [True, False])
def test_the_solver_of_other_processes_has_what_its_nets_need(validate, here):
    with open("solver.prototxt", "a") as file:
        file.write('train_state { stage: "train" }\ntest_state { stage: "val" }\ntest_iter: 5\n')
    with DatasetFolder("data") as dataset:
        recipe = Recipe("solver.prototxt", "data", AUGMENT, validate=validate)
        files = prepare_files(recipe, dataset, 2)
    others = Prepared.of(files, None)
    solver = engine.open_solver(others.quiet_solver(others.files()))
    assert len(solver.test_nets) == validate


@pytest.mark.parametrize(
    ("gpu", "problem"),
    [
        ((0, 0), "named twice"),
        ((0, 77), "GPU|CUDA"),
        ("all", "no CUDA device"),
        (Devices((0,), 2), "on the CPU"),
        (Devices(processes=0), "expected 1 or more"),
        ("x,y", "expected a number"),
    ],
)
def test_devices_that_cannot_be(gpu, problem, torch_engine):
    if (
        gpu == "all"
        and engine.devices_of(None)
        and pytest.importorskip("torch").cuda.is_available()
    ):
        pytest.skip("has a GPU")
    with pytest.raises(InputError, match=problem):
        engine.devices_of(gpu)


@pytest.mark.parametrize(("launched", "root", "status"), [
    (False, True, 130), (True, True, 0), (True, False, 0),
])  # fmt: skip
def test_torchrun_starts_no_process_again_that_was_asked_to_stop(
    launched, root, status, here, monkeypatch
):
    module = importlib.import_module("fcnkit.commands.train")
    monkeypatch.setattr(module, "train", lambda *_, **__: Outcome(3, False, "weights", None))
    monkeypatch.setattr(module, "has_launched", lambda: launched)
    monkeypatch.setattr(module, "is_root", lambda: root)
    assert main.run_module("fcnkit.commands.train", ["solver.prototxt", "-o", "run"]) == status


def test_bvlc_caffe_trains_in_one_process(here, monkeypatch):
    monkeypatch.setenv(engine.VARIABLE, "bvlc")
    with pytest.raises(InputError, match="one process only: set FCNKIT_ENGINE=torch"):
        train(Recipe("solver.prototxt", data="data"), "run", gpu=Devices(processes=2))
    with pytest.raises(InputError, match="no BatchNorm over several processes"):
        train(Recipe("solver.prototxt", data="data", sync_batch_norm=True), "run")
    assert not (here / "run").exists()


# with processes


class Heard(Observer):
    def __init__(self):
        self.steps, self.tests, self.notes = [], [], []

    def note(self, text):
        self.notes.append(text)

    def step(self, done, total=None, what="", figures=None):
        self.steps.append((done, figures["loss"]))

    def test(self, iteration, outputs, matrix):
        self.tests.append((iteration, outputs, matrix.counts))


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("augment", [AUGMENT, {"flip": False}], ids=["crops", "whole"])
def test_processes_train_as_one_with_the_larger_batch(count, augment, here):
    if "crop" not in augment and count == 4:
        pytest.skip("two are enough")
    heard = []
    for number, (batch, processes) in enumerate([(4, 1), (4 // count, count)]):
        recipe = Recipe("solver.prototxt", "data", augment, batch_size=batch, sync_batch_norm=True)
        heard.append(Heard())
        outcome = train(
            recipe, f"run{number}", gpu=Devices(processes=processes), observer=heard[-1]
        )
        assert outcome.finished and outcome.iteration == 12
    one, many = heard
    assert [done for done, _ in many.steps] == list(range(1, 13))
    np.testing.assert_allclose(*([x for _, x in h.steps] for h in heard), rtol=1e-5)
    assert [at for at, _, _ in one.tests] == [at for at, _, _ in many.tests]
    for (_, outputs, counts), (_, others, other_counts) in zip(one.tests, many.tests):
        assert np.abs(counts - other_counts).sum() <= 2
        for (_, values, _), (_, theirs, _) in zip(outputs, others):
            np.testing.assert_allclose(values, theirs, rtol=1e-4)
    for iteration in (4, 8, 12):
        stems = [f"run{number}/snap_iter_{iteration}" for number in (0, 1)]
        assert_same(*(weights_of(f"{stem}.caffemodel") for stem in stems))
        histories = [read_solver_state(f"{stem}.solverstate").history for stem in stems]
        for mine, theirs in zip(*histories):
            np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-6)
    assert files(here / "run0") == files(here / "run1")


@pytest.mark.slow
@pytest.mark.parametrize(
    "loss", [("dice", {"softmax": 0.5}), ("focal", {}), ("hard_pixels", {"keep": 0.3})]
)
def test_processes_have_one_loss(loss, here):
    """A loss of `--loss` is that of the whole batch, however it is shared out."""
    for number, (batch, processes) in enumerate([(4, 1), (2, 2)]):
        recipe = Recipe(
            "solver.prototxt", "data", AUGMENT, batch_size=batch, sync_batch_norm=True, loss=loss,
            validate=False,
        )  # fmt: skip
        train(recipe, f"run{number}", gpu=Devices(processes=processes))
    stems = [f"run{number}/snap_iter_12" for number in (0, 1)]
    assert_same(*(weights_of(f"{stem}.caffemodel") for stem in stems))
    one, many = (
        {row["iteration"]: row["loss"] for row in curves.parse_log(f"run{number}/train.log")}
        for number in (0, 1)
    )
    assert one.keys() == many.keys()
    np.testing.assert_allclose(list(many.values()), list(one.values()), rtol=1e-4)


@pytest.mark.slow
def test_what_is_wrong_is_told_once_and_leaves_nothing(here):
    (here / "data" / "train" / "labels" / "train_3.png").write_bytes(b"no image")
    run = MarkedRun(
        here, "fcnkit", "train", "solver.prototxt", "--data", "data", "--output", "run",
        "--augment", "flip=yes", "--processes", "2",
    )  # fmt: skip
    status, text = run.end()
    assert status == 1, text
    assert text.count("train_3.png") == 1 and "Traceback" not in text, text
    assert run.leaves_nobody() and run.leaves_no_file()


ARGUMENTS = (
    "--data",
    "data",
    "--augment",
    "flip=yes",
    "--display",
    "1",
    "--snapshot-interval",
    "5",
)


def train_command(output, iterations, *more):
    return (
        "fcnkit", "train", "solver.prototxt", *ARGUMENTS, "--output", output, "--iterations",
        iterations, "--test-interval", "20", "--sync-batch-norm", *more,
    )  # fmt: skip


@pytest.mark.slow
def test_killed_processes_start_again_and_end_with_the_unbroken_runs_weights(here):
    expected, text = (MarkedRun(here, *train_command("unbroken", 40, "--processes", "2"))).end()
    assert expected == 0, text
    run = MarkedRun(here, *train_command("run", 40, "--processes", "2"))
    for rank, iteration in ((1, 8), (0, 23)):
        wait_for(here / "run" / "train.log", f"Iteration {iteration} (")
        assert run.kill(rank)
    status, text = run.end()
    assert status == 0 and "Traceback" not in text, text
    assert run.leaves_nobody() and run.leaves_no_file()
    assert_same(*(weights_of(f"{name}/snap_iter_40.caffemodel") for name in ("unbroken", "run")), 0)


@pytest.mark.slow
def test_two_machines_by_torchrun_of_which_one_loses_a_process(here):
    status, text = MarkedRun(here, *train_command("unbroken", 40, "--processes", "2")).end()
    assert status == 0, text
    nodes = [
        MarkedRun(
            here, *train_command("run", 40),
            torchrun=["--nnodes=2", "--nproc-per-node=1", "--max-restarts=9", "--rdzv-id=9",
                      "--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:29631"],
        )
        for _ in range(2)
    ]  # fmt: skip
    for rank, iteration in ((1, 8), (0, 23)):
        wait_for(here / "run" / "train.log", f"Iteration {iteration} (")
        assert any(node.kill(rank) for node in nodes)
    for node in nodes:
        status, text = node.end()
        assert status == 0, text
        assert node.leaves_nobody() and node.leaves_no_file()
    assert_same(*(weights_of(f"{name}/snap_iter_40.caffemodel") for name in ("unbroken", "run")), 0)


@pytest.mark.slow
def test_ctrl_c_ends_all_with_a_snapshot(here):
    run = MarkedRun(here, *train_command("run", 100000, "--processes", "2"))
    wait_for(here / "run" / "train.log", "Iteration 7 (")
    run.interrupt()
    status, text = run.end()
    assert status == 130 and "stopped after" in text and "Traceback" not in text, text
    assert run.leaves_nobody() and run.leaves_no_file()


def content(folder):
    """Name -> bytes of the files in a folder, but for what ended processes had begun to write."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name[0] != "."}


class Watching(Observer):
    """Notes, and whether an earlier run in `run` is out of the way."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)

    def is_aside(self):
        return any(name.startswith("before-") for name in os.listdir("run"))


@pytest.mark.slow
@pytest.mark.parametrize("way", ["asks", "ends"])
def test_ctrl_c_before_the_first_step_of_several_processes_costs_nothing(way, here):
    train(Recipe("solver.prototxt", "data", AUGMENT), "run")
    before = content(here / "run")
    watching = Watching()

    def stop():
        if way == "ends" and watching.is_aside():
            raise KeyboardInterrupt
        return way == "asks"

    # Long tests before the first step
    recipe = Recipe("solver.prototxt", "data", AUGMENT, overrides=[("test_iter", "3000")])
    with contextlib.ExitStack() as stack:
        if way == "ends":
            stack.enter_context(pytest.raises(KeyboardInterrupt))
        outcome = train(
            recipe, "run", gpu=Devices(processes=2), force=True, observer=watching, stop=stop
        )
        assert outcome.withdrawn
    assert content(here / "run") == before
    assert any("the earlier run is back" in note for note in watching.notes) == (way == "ends")


@pytest.mark.slow
def test_a_killed_command_leaves_no_process(here):
    run = MarkedRun(here, *train_command("run", 100000, "--processes", "2"))
    wait_for(here / "run" / "train.log", "Iteration 3 (")
    run.process.kill()
    run.end()
    assert run.leaves_nobody(15) and run.leaves_no_file()
