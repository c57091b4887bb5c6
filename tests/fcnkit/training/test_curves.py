import csv
import datetime
import re

import numpy as np
import pytest
from PIL import Image

from caffeformat import InputError
from fcnkit.inference import ConfusionMatrix
from fcnkit.training import curves
from fcnkit.training.log import Display, TrainingLog


def write_run(path, first, last, accuracy=0.5):
    with TrainingLog(path) as log:
        log.solving("net", "fixed")
        for iteration in range(first, last, 10):
            log.test(iteration, 0, [("accuracy", [accuracy], 0), ("per_class", [0.1, 0.9], 0)])
            log.train(
                Display(iteration, 2.0 / (1 + iteration), 0.5, 10, [("loss", [1.5], 1)], 1e-4)
            )


def test_lines_have_the_form_that_parsers_look_for(tmp_path):
    path = tmp_path / "train.log"
    matrix = ConfusionMatrix(2)
    matrix.update(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]))
    with TrainingLog(path) as log:
        log.solving("tiny", "poly")
        log.test(1000, 0, [("accuracy", [0.91], 0)])
        log.train(Display(1000, 2.566721, 0.4, 10, [("loss", [2.5], 1)], 1e-4))
        log.scores(1000, "train", matrix)
        log.scores(1000, "test", matrix)
        log.snapshot("/a/s_iter_10.caffemodel", "/a/s_iter_10.solverstate")
    text = path.read_text()
    messages = [line.split("] ", 1)[1] for line in text.splitlines()]
    assert messages == [
        "Solving tiny",
        "Learning Rate Policy: poly",
        "Iteration 1000, Testing net (#0)",
        "    Test net output #0: accuracy = 0.91",
        "Iteration 1000 (25 iter/s, 0.4s/10 iters), loss = 2.56672",
        "    Train net output #0: loss = 2.5 (* 1 = 2.5 loss)",
        "Iteration 1000, lr = 0.0001",
        "Iteration 1000, train scores: pixel_accuracy = 0.75, mean_iou = 0.583333",
        "Iteration 1000, test scores: pixel_accuracy = 0.75, mean_iou = 0.583333, "
        "mean_accuracy = 0.75, frequency_weighted_iou = 0.583333",
        "Iteration 1000, test IoU of each class: 0.5 0.666667",
        "Snapshotting to binary proto file /a/s_iter_10.caffemodel",
        "Snapshotting solver state to binary proto file /a/s_iter_10.solverstate",
    ]
    for line in text.splitlines():
        prefix = re.match(r"I(\d{4} \d\d:\d\d:\d\d\.\d{6}) +\d+ [\w.]+:?\d*\] ", line)
        datetime.datetime.strptime("2024" + prefix.group(1), "%Y%m%d %H:%M:%S.%f")


def test_the_iou_of_each_class_is_read_back(tmp_path):
    matrix = ConfusionMatrix(4)  # the last one occurs nowhere
    matrix.update(np.array([0, 2, 1, 1]), np.array([0, 0, 1, 1]))
    with TrainingLog(tmp_path / "log") as log:
        log.scores(10, "train", matrix)
        log.scores(10, "test", matrix)
    (row,) = curves.parse_log(tmp_path / "log")
    found = {key: value for key, value in row.items() if key.startswith(curves.CLASS_IOU)}
    assert found == {"test_class_iou_0": 0.5, "test_class_iou_1": 1, "test_class_iou_2": 0}
    curves.plot(tmp_path / "p.png", [row])


def test_a_log_is_read_back(tmp_path):
    write_run(tmp_path / "log", 0, 30)
    rows = curves.parse_log(tmp_path / "log")
    assert [row["iteration"] for row in rows] == [0, 10, 20]
    assert rows[1] == {
        "iteration": 10,
        "test_accuracy": 0.5,
        "test_per_class_0": 0.1,
        "test_per_class_1": 0.9,
        "loss": pytest.approx(2 / 11, rel=1e-5),
        "train_loss": 1.5,
        "lr": 1e-4,
    }


def test_a_resumed_run_replaces_what_came_after_its_snapshot(tmp_path):
    write_run(tmp_path / "log", 0, 60, accuracy=0.1)
    write_run(tmp_path / "log", 20, 40, accuracy=0.9)
    rows = curves.parse_log(tmp_path / "log")
    assert [(row["iteration"], row["test_accuracy"]) for row in rows] == [
        (0, 0.1),
        (10, 0.1),
        (20, 0.9),
        (30, 0.9),
    ]


def test_a_diverged_loss_is_read_as_such(tmp_path):
    with TrainingLog(tmp_path / "log") as log:
        log.train(Display(0, float("nan"), 0, 1, [("loss", [float("inf")], 1)], 0.1))
    row = curves.parse_log(tmp_path / "log")[0]
    assert np.isnan(row["loss"]) and np.isinf(row["train_loss"])


@pytest.mark.slow
def test_table_and_picture(tmp_path):
    write_run(tmp_path / "log", 0, 50)
    rows = curves.parse_log(tmp_path / "log")
    curves.write_csv(tmp_path / "curves.csv", rows)
    with open(tmp_path / "curves.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [int(row["iteration"]) for row in table] == [0, 10, 20, 30, 40]
    assert float(table[2]["loss"]) == pytest.approx(2 / 21, rel=1e-5)
    curves.plot(tmp_path / "curves.png", rows)
    picture = np.asarray(Image.open(tmp_path / "curves.png").convert("RGB"))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20


def test_a_missing_log_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.log"):
        curves.parse_log(tmp_path / "nothing.log")
