"""`torchcaffe train`: runs, snapshots, signals and errors, through the command itself."""

import logging
import os
import re
import signal
import types

import numpy as np
import pytest
import torch
from training_process import Training

from caffeformat import LmdbWriter, Weights, read_caffemodel, read_solver_state, write_caffemodel
from torchcaffe import log
from torchcaffe.__main__ import main
from torchcaffe.commands import train as train_command
from torchcaffe.core import process
from torchcaffe.nets.training import TrainingPasses
from torchcaffe.solvers.update_rules import RULES

NET = """
name: "tiny"
layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {
  shape { dim: 4 dim: 3 } shape { dim: 4 }
  data_filler { type: "constant" value: 0.5 } data_filler { type: "constant" value: 1 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param {
  num_output: 3 weight_filler { type: "constant" value: 0.01 } } }
layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "acc"
  include { phase: TEST not_stage: "plain" } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
SOLVER = """net: "net.prototxt" base_lr: 0.05 lr_policy: "step" gamma: 0.5 stepsize: 3 display: 2
max_iter: 8 snapshot_prefix: "run" solver_mode: CPU """


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    return tmp_path


def solver(folder, fields, base=SOLVER):
    (folder / "solver.prototxt").write_text(base + fields)


def arrays(path):
    return {name: [blob.copy() for blob in blobs] for name, blobs in read_caffemodel(path).items()}


def assert_same_weights(first, second):
    assert list(first) == list(second)
    for name, blobs in first.items():
        for one, other in zip(blobs, second[name]):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("form", "ending"), [("BINARYPROTO", ""), ("HDF5", ".h5")])
@pytest.mark.parametrize("rule", list(RULES))
def test_every_solver_goes_on_from_a_snapshot_exactly(folder, rule, form, ending):
    momentum = "momentum2: 0.99" if rule == "Adam" else ""
    momentum += "" if rule in ("AdaGrad", "RMSProp") else " momentum: 0.9"
    decay = "rms_decay: 0.9" if rule == "RMSProp" else ""
    solver(folder, f'type: "{rule}" snapshot: 4 snapshot_format: {form} {momentum} {decay}')
    assert main(["train", "--solver=solver.prototxt"]) == 0
    unbroken = arrays(f"run_iter_8.caffemodel{ending}")
    history = [
        array.copy() for array in read_solver_state(f"run_iter_8.solverstate{ending}").history
    ]
    for name in (f"run_iter_8.caffemodel{ending}", f"run_iter_8.solverstate{ending}"):
        (folder / name).unlink()
    state = f"run_iter_4.solverstate{ending}"
    assert main(["train", "-solver", "solver.prototxt", "-snapshot", state]) == 0
    assert_same_weights(unbroken, arrays(f"run_iter_8.caffemodel{ending}"))
    resumed = read_solver_state(f"run_iter_8.solverstate{ending}")
    assert (resumed.iter, resumed.current_step, len(resumed.history)) == (8, 2, len(history))
    for one, other in zip(history, resumed.history):
        np.testing.assert_array_equal(one, other)


def test_log_shows_mode_net_and_progress_in_caffes_lines(folder, capfd):
    solver(folder, "test_iter: 2 test_interval: 4 momentum: 0.9")
    assert main(["train", "-solver", "solver.prototxt"]) == 0
    text = capfd.readouterr().err
    glog = r"^I\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ "
    for pattern in (
        r"caffe\.cpp:\d+\] Use CPU\.$",
        r"solver\.cpp:\d+\] Initializing solver from parameters: $",
        r"net\.cpp:\d+\] Top shape: 4 3 \(12\)$",
        r"net\.cpp:\d+\]     with loss weight 1$",
        r"net\.cpp:\d+\] This network produces output acc$",
        r"solver\.cpp:\d+\] Solving tiny$",
        r"solver\.cpp:\d+\] Iteration 8, Testing net \(#0\)$",
        r"caffe\.cpp:\d+\] Optimization Done\.$",
    ):
        assert re.search(glog + pattern, text, re.M), pattern


def test_level_and_stage_choose_layers_of_the_training_net(folder, capfd):
    net = NET.replace(
        "include { phase: TEST not_stage", 'include { stage: "fine" min_level: 2 not_stage'
    )
    (folder / "net.prototxt").write_text(net)
    assert main(["train", "-solver=solver.prototxt", "-level=2", "-stage=fine"]) == 0
    assert "This network produces output acc" in capfd.readouterr().err
    assert main(["train", "-solver=solver.prototxt", "-level=1", "-stage=fine"]) == 0
    assert "This network produces output acc" not in capfd.readouterr().err


@pytest.mark.filterwarnings("ignore:other.caffemodel. none of its layers")
def test_weights_of_several_files_begin_a_run_in_place_of_the_solvers(folder):
    for layer, value in (("ip", 1), ("other", 2)):
        blobs = [np.full((3, 3), value, np.float32), np.zeros(3, np.float32)]
        write_caffemodel(f"{layer}.caffemodel", Weights({layer: blobs}))
    solver(
        folder,
        'weights: "missing.caffemodel"',
        base=SOLVER.replace("max_iter: 8", "max_iter: 0"),
    )
    assert (
        main(["train", "-solver=solver.prototxt", "-weights=other.caffemodel,ip.caffemodel"]) == 0
    )
    assert (read_caffemodel("run_iter_0.caffemodel")["ip"][0] == 1).all()


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        ([], "pass -solver"),
        (["-solver=nowhere.prototxt"], "nowhere.prototxt: no such file"),
        (["-solver=solver.prototxt", "-snapshot=a", "-weights=b"], "exclude each other"),
        (["-solver=solver.prototxt", "-snapshot=a"], "a: no such file"),
        (["-solver=solver.prototxt", "-weights=net.prototxt"], "not a caffemodel"),
        (["-solver=solver.prototxt", "-sigint_effect=die"], 'is "die"; expected snapshot, stop'),
        (["-solver=solver.prototxt", "-gpu=one"], '-gpu is "one"'),
        (["-solver=solver.prototxt", "more"], "found 1 arguments"),
    ],
)
def test_error_is_one_line_and_a_status(folder, capfd, argv, problem):
    assert main(["train", *argv]) == 1
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith("F")
    assert problem in last


def test_folder_for_snapshots_is_asked_for_before_training(folder, capfd):
    solver(folder, "snapshot: 4", base=SOLVER.replace('"run"', '"nowhere/run"'))
    assert main(["train", "-solver=solver.prototxt"]) == 1
    error = capfd.readouterr().err
    assert "there is no folder nowhere" in error
    assert "Solving" not in error


LOG_OF_NEGATIVE = """
layer { name: "log" type: "Log" bottom: "data" top: "log" log_param { shift: -0.6 } }
layer { name: "ip" """


@pytest.fixture
def nan_folder(folder):
    """`folder`, with a net in which the layer "log" makes NaN of everything."""
    net = NET.replace('layer { name: "ip" ', LOG_OF_NEGATIVE)
    (folder / "net.prototxt").write_text(net.replace('"data" top: "ip"', '"log" top: "ip"'))
    return folder


def test_nan_is_traced_to_its_layer_with_debug_info(nan_folder, capfd):
    solver(nan_folder, "debug_info: true")
    assert main(["train", "-solver=solver.prototxt"]) == 1
    assert 'iteration 0: layer "log" is the first' in capfd.readouterr().err


def test_debug_info_shows_every_layer_at_displays(folder, capfd):
    solver(folder, "debug_info: true")
    assert main(["train", "-solver=solver.prototxt"]) == 0
    text = capfd.readouterr().err
    for words in (
        "    [Forward] Layer ip, top blob ip data: 0.015\n",
        "    [Forward] Layer ip, param blob 0 data: 0.01\n",
        "    [Backward] Layer loss, bottom blob ip diff: 0.111111\n",
        "    [Backward] Layer ip, param blob 1 diff: 0.444444\n",
        "    [Backward] All net params (data, diff): L1 norm = (0.09, 3.33333); L2 norm = (0.03, ",
    ):
        assert words in text
    assert text.count("] All net params") == text.count(" iter/s, ")


def test_loss_that_is_no_number_is_warned_of(nan_folder, capfd):
    assert main(["train", "-solver=solver.prototxt"]) == 0
    assert "The loss is not a number; debug_info: true shows where" in capfd.readouterr().err


DATA = (
    'type: "Data" top: "data" top: "label" data_param { source: "db" batch_size: 1 backend: LMDB }'
)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: None, "db: no such database"),
        (lambda path: LmdbWriter(path).close(), "db: the database is empty"),
        (lambda path: path.mkdir(), "no data.mdb"),
        (lambda path: path.write_text("x"), "a database is a folder"),
    ],
)
def test_database_that_cannot_be_read_is_reported_with_its_layer(folder, capfd, make, problem):
    make(folder / "db")
    head, tail = NET[: NET.index("type:")], NET[NET.index('layer { name: "ip"') :]
    (folder / "net.prototxt").write_text(f"{head} {DATA} }}\n{tail}")
    assert main(["train", "-solver=solver.prototxt"]) == 1
    error = capfd.readouterr().err
    assert 'layer "data"' in error
    assert problem in error


@pytest.mark.parametrize("command", ["test", "time"])
def test_net_is_scored_and_timed(folder, capfd, command):
    assert main(["train", "-solver=solver.prototxt"]) == 0
    capfd.readouterr()
    flags = {"test": ["-weights=run_iter_8.caffemodel"], "time": ["-phase=TEST"]}[command]
    assert main([command, "-model=net.prototxt", "-iterations", "2", *flags]) == 0
    text = capfd.readouterr().err
    expected = {
        "test": ["Running for 2 iterations.", "Batch 1, acc = 1", "] acc = 1", "] Loss: "],
        "time": ["Average Forward-Backward: ", "        ip\tforward: ", "Total Time: "],
    }[command]
    for words in expected:
        assert words in text
    if command == "test":
        assert re.search(r"\] loss = (\S+) \(\* 1 = \1 loss\)$", text, re.M)


def test_weights_of_another_net_are_refused_with_both_shapes(folder, capfd):
    blobs = [np.zeros((7, 3), np.float32), np.zeros(7, np.float32)]
    write_caffemodel("other.caffemodel", Weights({"ip": blobs}))
    for argv in (
        ["train", "-solver=solver.prototxt"],
        ["test", "-model=net.prototxt"],
    ):
        assert main([*argv, "-weights=other.caffemodel"]) == 1
        error = capfd.readouterr().err
        assert 'layer "ip"' in error
        assert "(3, 3)" in error
        assert "(7, 3)" in error


class _Interrupt(logging.Handler):
    """Sends this process the next of `signals` whenever a line of the log says that it is time."""

    def __init__(self, *signals):
        super().__init__()
        self.signals, self.lines = list(signals), []

    def emit(self, record):
        self.lines.append(record.getMessage())
        if self.signals and re.search(r"^Iteration (?!0 )\d+ \(", self.lines[-1]):
            os.kill(os.getpid(), self.signals.pop(0))


def test_sighup_snapshots_and_sigint_stops_with_a_snapshot(folder):
    solver(folder, "", base=SOLVER.replace("max_iter: 8", "max_iter: 100000"))
    interrupt = _Interrupt(signal.SIGHUP, signal.SIGINT)
    log.logger.addHandler(interrupt)
    before = [signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT)]
    try:
        assert main(["train", "-solver=solver.prototxt"]) == 0
    finally:
        log.logger.removeHandler(interrupt)
    assert [signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT)] == before
    assert "Optimization stopped early." in interrupt.lines
    prefix = "Snapshotting solver state to"
    first, last = (line.split()[-1] for line in interrupt.lines if line.startswith(prefix))
    assert 0 < read_solver_state(folder / first).iter < read_solver_state(folder / last).iter


@pytest.mark.slow
def test_signals_reach_a_process_of_its_own(folder):
    solver(folder, "", base=SOLVER.replace("max_iter: 8", "max_iter: 100000000"))
    training = Training(folder)
    training.wait_for("Iteration 2 (")
    training.process.send_signal(signal.SIGHUP)
    first = training.wait_for("Snapshotting solver state to").split()[-1]
    training.wait_for("lr = ")
    training.process.send_signal(signal.SIGINT)
    last = training.wait_for("Snapshotting solver state to").split()[-1]
    training.wait_for("Optimization stopped early.")
    assert training.end() == 0
    assert 0 < read_solver_state(folder / first).iter < read_solver_state(folder / last).iter


@pytest.mark.slow
def test_effects_of_signals_are_chosen(folder):
    solver(folder, "", base=SOLVER.replace("max_iter: 8", "max_iter: 100000000"))
    training = Training(folder, "-sigint_effect=snapshot", "--sighup_effect", "stop")
    training.wait_for("Iteration 2 (")
    training.process.send_signal(signal.SIGINT)
    training.wait_for("Snapshotting solver state to")
    training.wait_for("lr = ")
    training.process.send_signal(signal.SIGHUP)
    training.wait_for("Optimization stopped early.")
    assert training.end() == 0


def test_recomputed_activations_give_the_same_weights(folder, monkeypatch):
    """The flag reaches the solver's passes, and changes no weight."""
    solver(folder, "random_seed: 1")
    assert main(["train", "-solver=solver.prototxt"]) == 0
    plain = arrays("run_iter_8.caffemodel")
    recomputed = []
    passes = TrainingPasses.forward
    monkeypatch.setattr(
        TrainingPasses,
        "forward",
        lambda self: (recomputed.append(self.recompute), passes(self))[1],
    )
    assert main(["train", "-solver=solver.prototxt", "-recompute"]) == 0
    assert set(recomputed) == {True}
    assert_same_weights(plain, arrays("run_iter_8.caffemodel"))


def test_a_process_of_torchruns_trains_as_one_by_itself(folder, launched, monkeypatch):
    solver(folder, "momentum: 0.9")
    assert main(["train", "-solver", "solver.prototxt", "-sync_batch_norm"]) == 0
    assert process._sync_batch_norm and not torch.distributed.is_initialized()
    joined = arrays("run_iter_8.caffemodel")
    monkeypatch.delenv("TORCHELASTIC_RUN_ID")
    (folder / "run_iter_8.caffemodel").unlink()
    assert main(["train", "-solver", "solver.prototxt"]) == 0
    assert_same_weights(joined, arrays("run_iter_8.caffemodel"))


def test_torchruns_processes_and_devices_have_to_be_as_many(folder, launched, monkeypatch, capfd):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    assert main(["train", "-solver", "solver.prototxt", "-processes", "2"]) == 1
    assert "3 processes here, but there are 2 devices" in capfd.readouterr().err
    assert not list(folder.glob("run_iter_*"))


def test_several_processes_get_the_commands_flags(folder, monkeypatch):
    asked = []

    def run_ranks(work, count, arguments, requested):
        asked.append((count, arguments[0]))
        assert requested() == "none"
        line = types.SimpleNamespace(requested=requested)
        monkeypatch.setenv("LOCAL_RANK", "1")
        monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
        work(line, *arguments)

    def joins():
        asked.append("joined")
        return types.SimpleNamespace(is_root=False, close=lambda: asked.append("closed"))

    def trains(param, flags, requested, joined):
        asked.append((param.weights[:], param.train_state.level, requested()))

    monkeypatch.setattr(process, "_sync_batch_norm", False)
    for name, stand_in in (
        ("run_ranks", run_ranks), ("join", joins), ("_train", trains),
        ("_use", lambda device: asked.append(device)),
    ):  # fmt: skip
        monkeypatch.setattr(train_command, name, stand_in)
    flags = ["-solver", "solver.prototxt", "-processes", "2", "-weights", "w", "-level", "3"]
    assert main(["train", *flags]) == 0
    assert asked == [(2, [None, None]), None, "joined", (["w"], 3, "none"), "closed"]


def test_a_run_that_writes_no_snapshot_locks_nothing(folder):
    solver(folder, "snapshot_after_train: false")
    assert main(["train", "-solver", "solver.prototxt"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["net.prototxt", "solver.prototxt"]
