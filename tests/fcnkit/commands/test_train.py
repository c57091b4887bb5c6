import csv
import errno
import json
import os
import re
import signal
import threading
import time

import numpy as np
import pytest
from PIL import Image
from tiny_segmentation import net_text, write_solver

from caffeformat import read_caffemodel, read_net, read_solver, write_caffemodel
from fcnkit.commands import main
from fcnkit.training import Outcome, curves
from fcnkit.training.log import TrainingLog
from fcnkit.training.recorder import Recorder

pytestmark = pytest.mark.usefixtures("needs_engine")


DRAW = curves.plot  # the fixture replaces it


def train(*arguments):
    return main.run_module("fcnkit.commands.train", ["solver.prototxt", "-o", "run", *arguments])


def weights(path):
    return {name: [np.array(b) for b in blobs] for name, blobs in read_caffemodel(path).items()}


def assert_same_weights(a, b):
    a, b = weights(a), weights(b)
    assert a.keys() == b.keys()
    for name in a:
        for x, y in zip(a[name], b[name]):
            assert np.allclose(x, y, rtol=1e-5, atol=1e-6), name


def test_a_run_that_took_no_snapshot_is_no_obstacle(here, data):
    os.mkdir("run")
    for name in ("train.log", "curves.csv"):
        with open(f"run/{name}", "w") as file:
            file.write("of a run that failed early")
    assert train("--data", data, "--augment", "--iterations", "1") == 0
    with open("run/train.log.before") as file:
        assert file.read() == "of a run that failed early"
    assert len(curves.parse_log("run/train.log")) == 1 + 1
    assert train("--data", data, "--augment", "--iterations", "1") == 1


@pytest.mark.slow
def test_a_run_learns_and_leaves_everything_in_its_folder(here, data, capsys, monkeypatch):
    monkeypatch.setattr(curves, "plot", DRAW)
    assert train("--data", data, "--augment", "flip=yes") == 0
    assert sorted(os.listdir("run")) == sorted(
        ["curves.csv", "curves.png", "deploy.prototxt", "inference.json", "solver.prototxt"]
        + ["train.log", "train.prototxt", "val.prototxt", "snapshots.json", "snap_best.caffemodel"]
        + [f"snap_iter_{n}.{kind}" for n in (10, 20, 30) for kind in ("caffemodel", "solverstate")]
    )
    rows = curves.parse_log("run/train.log")
    assert [row["iteration"] for row in rows] == [0, 5, 10, 15, 20, 25, 30]
    assert rows[-1]["test_mean_iou"] > 0.9 > rows[0]["test_mean_iou"]
    assert rows[-2]["loss"] < 0.2 * rows[0]["loss"]
    with open("run/curves.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 7
    assert Image.open("run/curves.png").size[0] > 500
    assert "mean IoU" in capsys.readouterr().out


def test_the_log_has_the_lines_that_parsers_look_for(here, data):
    train("--data", data, "--augment", "--iterations", "10")
    text = (here / "run/train.log").read_text()
    messages = [line.split("] ", 1)[1] for line in text.splitlines()]
    assert messages[0] == "Solving tiny"
    assert "Iteration 0, Testing net (#0)" in messages
    assert re.search(r"Iteration 5 \([\d.]+ iter/s, [\d.e-]+s/5 iters\), loss = [\d.]+\n", text)
    assert "Iteration 5, lr = 0.1" in messages
    assert re.search(r"    Train net output #0: loss = ([\d.]+) \(\* 1 = \1 loss\)\n", text)
    assert re.search(r"    Test net output #\d: accuracy = [\d.]+\n", text)
    place = messages.index(f"Snapshotting to binary proto file {here}/run/snap_iter_10.caffemodel")
    state = f"{here}/run/snap_iter_10.solverstate"
    assert messages[place + 1] == f"Snapshotting solver state to binary proto file {state}"


def test_the_folder_holds_what_any_caffe_needs(here, data):
    train("--data", data, "--augment", "--iterations", "2", "--base-lr", "0.01")
    solver = read_solver("run/solver.prototxt")
    assert solver.base_lr == pytest.approx(0.01) and solver.max_iter == 2
    assert list(solver.test_iter) == [3] and os.path.isabs(solver.train_net)
    assert [layer.type for layer in read_net(solver.train_net).layer][:2] == ["Python", "Power"]
    assert read_net("run/deploy.prototxt").layer[0].type == "Input"


def test_the_seed_decides(here, data):
    def run(*arguments):
        train("--data", data, "--augment", "--force", "--iterations", "4", *arguments)
        return weights("run/snap_iter_4.caffemodel")["conv1"][0]

    first, again, other = run("--seed", "5"), run("--seed", "5"), run("--seed", "6")
    assert np.allclose(first, again, rtol=1e-5, atol=1e-6)
    assert not np.allclose(first, other)


def test_a_resumed_run_ends_like_one_that_was_not_stopped(here, data):
    write_solver(here, display=2, test_interval=4, snapshot=4)
    train("--data", data, "--augment", "--iterations", "8")
    os.rename("run", "whole")
    train("--data", data, "--augment", "--iterations", "4")
    assert train("--data", data, "--augment", "--iterations", "8", "--resume") == 0
    assert_same_weights("whole/snap_iter_8.caffemodel", "run/snap_iter_8.caffemodel")
    expected, found = (
        curves.parse_log(f"{run}/train.log")[-1]["test_loss"] for run in ("whole", "run")
    )
    assert found == pytest.approx(expected, rel=1e-3)


def test_resuming_skips_half_written_snapshots(here, data, capsys):
    write_solver(here, display=1, test_interval=2, snapshot=2)
    train("--data", data, "--augment", "--iterations", "4")
    os.truncate("run/snap_iter_4.caffemodel", 300)
    train("--data", data, "--augment", "--iterations", "5", "--resume")
    said = capsys.readouterr().err
    assert "snap_iter_4.solverstate is not whole" in said
    assert "iteration 2" in said
    assert [row["iteration"] for row in curves.parse_log("run/train.log")][-2:] == [4, 5]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_weights_that_end_between_two_layers_are_half_written(here, data, capsys, kind):
    write_solver(here, display=1, test_interval=2, snapshot=1)
    train("--data", data, "--augment", "--iterations", "2", "--set", f"type={kind}")
    weights = read_caffemodel("run/snap_iter_2.caffemodel")
    weights.pop(list(weights)[-1])
    write_caffemodel("run/snap_iter_2.caffemodel", weights)
    capsys.readouterr()
    train("--data", data, "--augment", "--iterations", "3", "--resume", "--set", f"type={kind}")
    said = capsys.readouterr().err
    assert "snap_iter_2.solverstate is not whole" in said and "iteration 1" in said


def test_a_moved_run_continues_from_its_new_place(here, data):
    train("--data", data, "--augment", "--iterations", "2")
    os.rename("run", "moved")
    state = "moved/snap_iter_2.solverstate"
    assert train("--data", data, "--augment", "--iterations", "3", "--snapshot", state) == 0
    assert os.path.exists("run/snap_iter_3.caffemodel")


def test_ctrl_c_stops_with_a_snapshot(here, data, capsys):
    def interrupt():
        while not os.path.exists("run/train.log"):
            time.sleep(0.05)
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    before = signal.getsignal(signal.SIGINT)
    status = train("--data", data, "--augment", "--iterations", "1000000", "--no-validation")
    assert status == 130 and signal.getsignal(signal.SIGINT) == before
    steps = int(re.search(r"stopped after (\d+) iterations", capsys.readouterr().out).group(1))
    assert os.path.exists(f"run/snap_iter_{steps}.solverstate")


def test_ctrl_c_before_the_first_step_leaves_the_earlier_run(here, data, capsys, monkeypatch):
    assert train("--data", data, "--augment", "--iterations", "2") == 0
    before = sorted(os.listdir("run"))
    monkeypatch.setattr(Recorder, "before_step", lambda *_: os.kill(os.getpid(), signal.SIGINT))
    assert train("--data", data, "--augment", "--iterations", "9", "--force") == 130
    said = capsys.readouterr()
    assert "stopping after this step" in said.err
    assert "stopped before the first step: the earlier run in run is as it was" in said.out
    assert sorted(os.listdir("run")) == before


def test_a_diverging_run_is_reported(here, data, capsys):
    assert train("--data", data, "--augment", "--base-lr", "1e12") == 1
    said = capsys.readouterr().err
    assert re.search(r"iteration \d+: the loss is (nan|inf)", said) and "lower base_lr" in said
    assert os.path.exists("run/curves.csv")


@pytest.mark.slow
def test_layers_that_start_at_zero_are_named_and_can_be_filled(here, data, capsys):
    write_solver(here, net_text(filler=""))
    train("--data", data, "--augment")
    said = capsys.readouterr().err
    assert "conv1, score start at zero and cannot learn" in said and "fill: xavier" in said
    assert "every pixel is predicted as background" in said
    assert curves.parse_log("run/train.log")[-1]["test_mean_iou"] < 0.4
    train("--data", data, "--augment", "--force", "--fill", "msra")
    said = capsys.readouterr().err
    assert "filled by msra" in said and "cannot learn" not in said
    assert curves.parse_log("run/train.log")[-1]["test_mean_iou"] > 0.9


def test_layers_without_weights_are_reported(here, data, capsys):
    train("--data", data, "--augment", "--iterations", "2")
    os.rename("run/snap_iter_2.caffemodel", "start.caffemodel")
    text = net_text().replace('name: "score"', 'name: "score_new"')
    write_solver(here, text)
    start = ["--weights", "start.caffemodel", "--iterations", "1"]
    train("--data", data, "--augment", "--force", *start)
    assert "no weights of that name in start.caffemodel: score_new" in capsys.readouterr().err


def test_a_run_is_kept_unless_forced(here, data, capsys):
    train("--data", data, "--augment", "--iterations", "2")
    before = (here / "run/train.log").read_text()
    assert train("--data", data, "--augment", "--iterations", "2") == 1
    assert "--resume" in capsys.readouterr().err
    assert (here / "run/train.log").read_text() == before
    assert train("--data", data, "--augment", "--iterations", "1", "--force") == 0
    assert not os.path.exists("run/snap_iter_2.caffemodel")


def test_force_does_not_remove_what_the_run_starts_from(here, data, capsys):
    train("--data", data, "--augment", "--iterations", "2")
    for option, kind in (("--weights", "caffemodel"), ("--snapshot", "solverstate")):
        start = f"run/snap_iter_2.{kind}"
        assert train("--data", data, "--augment", "--force", option, start) == 1
        assert "choose another output folder" in capsys.readouterr().err
        assert os.path.exists(start)


def test_a_full_disk_is_reported_with_folder_and_way_on(here, data, capsys, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(TrainingLog, "line", full)
    assert train("--data", data, "--augment") == 1
    assert re.search("error: run: No space left.*--resume", capsys.readouterr().err)
    assert train("--data", data, "--augment", "--force") == 1
    assert re.search("No space.*starts over; --resume in place of", capsys.readouterr().err)


def test_epochs_count_passes_over_the_data(here, data):
    train("--data", data, "--augment", "--epochs", "1.5", "--batch-size", "4")
    assert read_solver("run/solver.prototxt").max_iter == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["'data'", "no source", "--data"]),
        (["--data", "nowhere"], ["nowhere", "dataset folder"]),
        (["--data", "empty"], ["no such database", "_db/features", "create_lmdb"]),
        (["--weights", "none.caffemodel"], ["none.caffemodel", "no such file"]),
        (["--set", "nonsense=1"], ["nonsense"]),
        (["--iterations", "many"], ["max_iter", "many"]),
        (["--augment", "zoom=2"], ["zoom", "scale, crop, flip"]),
        (["--augment", "crop=x"], ["crop=x"]),
        (["--augment", "gluoncv", "threads=0"], ["threads=0", "1 or more"]),
    ],
)
def test_wrong_arguments_are_named(here, capsys, arguments, words):
    os.mkdir("empty")
    assert train(*arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ") and all(word in said for word in words)


def test_an_output_that_cannot_be_written_is_named(here, data, capsys):
    (here / "run").write_text("not a folder")
    assert train("--data", data, "--augment") == 1
    assert "cannot write here" in capsys.readouterr().err


def test_weights_of_another_network_are_named(here, data, capsys):
    train("--data", data, "--augment", "--iterations", "1")
    os.rename("run/snap_iter_1.caffemodel", "three.caffemodel")
    write_solver(here, net_text(classes=4))
    assert train("--data", data, "--augment", "--force", "--weights", "three.caffemodel") == 1
    said = capsys.readouterr().err
    assert "'score'" in said and "3x8x1x1" in said and "4x8x1x1" in said


def test_python_layers_run_only_when_allowed(here, data, capsys):
    text = net_text() + (
        'layer { name: "own" type: "Python" bottom: "data" top: "own" '
        'python_param { module: "os" layer: "system" } include { stage: "train" } }'
    )
    write_solver(here, text)
    assert train("--data", data, "--augment") == 1
    assert "--allow-python os" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_is_used_with_the_mean_classes_and_colours_of_its_data(here, data, capsys):
    text = net_text().replace('name: "shift" type: "Power"', 'name: "shift" type: "AbsVal"')
    text = text.replace("power_param { shift: -60 scale: 1 }", "")
    text = text.replace(
        'type: "Data" top: "data"',
        'type: "Data" top: "data" transform_param { mean_value: 60 scale: 0.5 }',
    )
    write_solver(here, text, max_iter=40)
    train("--data", data, "--augment")
    expected = curves.parse_log("run/train.log")[-1]["test_mean_iou"]
    capsys.readouterr()
    score = ["--run", "run", "--data", data]
    assert main.run_module("fcnkit.commands.score", [*score, "--json", "with.json"]) == 0
    assert (
        main.run_module("fcnkit.commands.score", [*score, "--json", "no.json", "--mean", "0"]) == 0
    )
    found, without = (json.loads((here / name).read_text()) for name in ("with.json", "no.json"))
    assert found["mean_iou"] == pytest.approx(expected, abs=1e-3)
    assert without["mean_iou"] != pytest.approx(expected, abs=1e-3)
    images = os.path.join(data, "val", "images")
    assert main.run_module("fcnkit.commands.infer", [images, "-o", "out", "--run", "run"]) == 0
    assert "background" in capsys.readouterr().out
    again = ["run/deploy.prototxt", "run/snap_iter_40.caffemodel", "--mean", "60,60,60"]
    models = ["--first", "run", "--second", *again, "--input-scale", "0.5", "--at-least", "1"]
    assert main.run_module("fcnkit.commands.compare_models", [images, *models]) == 0


def test_a_folder_that_is_not_a_run_is_named(here, data, capsys):
    arguments = ["--run", str(here), "--data", data]
    assert main.run_module("fcnkit.commands.score", arguments) == 1
    assert "is not an output of train" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--epochs", "--batch-size"])
def test_counts_are_above_zero(here, capsys, option):
    with pytest.raises(SystemExit):
        train(option, "0")
    assert "above 0" in capsys.readouterr().err


def test_a_solver_that_asks_for_a_gpu_gets_a_note(here, data, capsys):
    write_solver(here, solver_mode="GPU", max_iter=1)
    train("--data", data, "--augment", "--no-validation")
    assert "computing on the CPU" in capsys.readouterr().err


def test_a_lasting_collapse_is_explained_without_validation_too(here, data, capsys):
    write_solver(here, net_text(filler=""))
    train("--data", data, "--augment", "--no-validation")
    assert capsys.readouterr().err.count("every pixel is predicted as") == 1


def test_lmdbs_feed_data_layers_that_name_no_source(here, data):
    classes = os.path.join(data, "classes.txt")
    assert main.run_module("fcnkit.commands.create_lmdb", [data, "lmdb", "--classes", classes]) == 0
    assert train("--data", "lmdb") == 0
    assert curves.parse_log("run/train.log")[-1]["test_mean_iou"] > 0.9
    net = read_net("run/val.prototxt")
    assert net.layer[1].data_param.source == str(here / "lmdb/val_db/labels")
    assert list(read_solver("run/solver.prototxt").test_iter) == [3]


def test_precision_and_recomputation_reach_the_training_run(here, data, monkeypatch):
    recipes = []
    monkeypatch.setattr(
        "fcnkit.commands.train.train",
        lambda recipe, *_, **__: recipes.append(recipe) or Outcome(1, True, "w", None),
    )
    assert train("--data", data, "--precision", "bfloat16", "--recompute") == 0
    assert train("--data", data) == 0
    assert [(r.precision, r.recompute) for r in recipes] == [("bfloat16", True), ("float32", False)]
