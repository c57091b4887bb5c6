"""The upgrade commands write what Caffe's own tools wrote; parse_log converts logs to tables."""

import math

import numpy as np
import pytest

from caffeformat import pb, read_caffemodel
from torchcaffe.__main__ import main
from torchcaffe.commands.parse_log import parse_log


@pytest.mark.parametrize(
    ("command", "old", "new"),
    [
        ("upgrade_net_proto_text", "old_v0.prototxt", "old_v0_upgraded.prototxt"),
        ("upgrade_net_proto_text", "old_v1.prototxt", "old_v1_upgraded.prototxt"),
        ("upgrade_solver_proto_text", "old_solver.prototxt", "old_solver_upgraded.prototxt"),
    ],
)
def test_upgraded_text_is_caffes_to_the_byte(golden, tmp_path, command, old, new):
    target = tmp_path / new
    assert main([command, str(golden / "files" / old), str(target)]) == 0
    assert target.read_bytes() == (golden / "files" / new).read_bytes()


def test_upgraded_caffemodel_is_of_the_current_form_with_the_same_weights(golden, tmp_path):
    source, target = golden / "files" / "small_v1.caffemodel", tmp_path / "new.caffemodel"
    assert main(["upgrade_net_proto_binary", str(source), str(target)]) == 0
    net = pb.NetParameter()
    net.ParseFromString(target.read_bytes())
    assert not net.layers
    assert {layer.type for layer in net.layer} >= {"Convolution", "InnerProduct"}
    before, after = read_caffemodel(source), read_caffemodel(target)
    assert list(before) == list(after)
    for name, blobs in before.items():
        for one, other in zip(blobs, after[name]):
            np.testing.assert_array_equal(one, other)


def test_current_file_is_said_to_be_current_and_written(golden, tmp_path, capfd):
    source, target = golden / "files" / "small.prototxt", tmp_path / "new.prototxt"
    assert main(["upgrade_net_proto_text", str(source), str(target)]) == 0
    assert "already in latest proto format" in capfd.readouterr().err
    assert main(["upgrade_net_proto_text", str(target), str(tmp_path / "again")]) == 0
    assert target.read_bytes() == (tmp_path / "again").read_bytes()


@pytest.mark.parametrize("text", [b"", b"name: 3", b"\x0a\xff\xff"])
def test_file_that_is_no_net_is_refused_and_nothing_written(tmp_path, capfd, text):
    (tmp_path / "bad").write_bytes(text)
    for command in ("upgrade_net_proto_text", "upgrade_net_proto_binary"):
        assert main([command, str(tmp_path / "bad"), str(tmp_path / "new")]) == 1
        assert "bad" in capfd.readouterr().err
    assert not (tmp_path / "new").exists()


LOG = """I1231 23:59:58.000000 7 net.cpp:257] Network initialization done.
I1231 23:59:59.500000 7 solver.cpp:289] Solving tiny
I1231 23:59:59.600000 7 solver.cpp:347] Iteration 0, Testing net (#0)
I1231 23:59:59.700000 7 solver.cpp:414]     Test net output #0: acc = 0.5
I1231 23:59:59.700000 7 solver.cpp:414]     Test net output #1: loss = 1.25 (* 1 = 1.25 loss)
I0101 00:00:00.500000 7 solver.cpp:239] Iteration 0 (0 iter/s, 1s/10 iters), loss = 1.5
I0101 00:00:00.500000 7 solver.cpp:258]     Train net output #0: loss = 1.5 (* 1 = 1.5 loss)
I0101 00:00:00.500000 7 sgd_solver.cpp:112] Iteration 0, lr = 1e-05
a line of another program
I0101 00:00:10.500000 7 solver.cpp:239] Iteration 10 (1 iter/s, 10s/10 iters), loss = nan
I0101 00:00:10.500000 7 solver.cpp:258]     Train net output #0: loss = nan (* 1 = nan loss)
I0101 00:00:10.500000 7 sgd_solver.cpp:112] Iteration 10, lr = 5e-06
"""


def test_log_becomes_two_tables(tmp_path, capsys):
    (tmp_path / "run.log").write_text(LOG)
    argv = [str(tmp_path / "run.log"), str(tmp_path), "--verbose", "--delimiter=;"]
    assert main(["parse_log", *argv]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"Wrote {tmp_path}/run.log.train"
    assert (tmp_path / "run.log.test").read_text().splitlines() == [
        "NumIters;Seconds;LearningRate;acc;loss",
        "0.0;0.2;nan;0.5;1.25",
    ]
    train = parse_log(tmp_path / "run.log")["train"]
    assert [row["Seconds"] for row in train] == [1.0, 11.0]
    assert [row["LearningRate"] for row in train] == [1e-5, 1e-5]
    assert math.isnan(train[1]["loss"])


def test_file_that_is_not_a_log_is_reported(tmp_path, capfd):
    (tmp_path / "run.log").write_text("nothing\n")
    assert main(["parse_log", str(tmp_path / "run.log"), str(tmp_path)]) == 1
    assert "no glog line" in capfd.readouterr().err
    assert main(["parse_log", str(tmp_path / "missing"), str(tmp_path)]) == 1
    assert "no such file" in capfd.readouterr().err


def test_net_is_drawn_in_the_phase_that_is_asked_for(golden, tmp_path, capfd):
    source = tmp_path / "net.prototxt"
    text = (golden / "files/small.prototxt").read_text()
    source.write_text(text.replace('top: "loss"', 'top: "loss" include { phase: TRAIN }'))
    assert main(["draw_net", str(source), f"{tmp_path}/test.svg", "--phase=TEST"]) == 0
    assert main(["draw_net", str(source), f"{tmp_path}/all.svg", "--rankdir", "TB"]) == 0
    pictures = [(tmp_path / f"{name}.svg").read_text() for name in ("test", "all")]
    assert ["SoftmaxWithLoss" in picture for picture in pictures] == [False, True]
    assert main(["draw_net", str(source), f"{tmp_path}/x.svg", "-phase=train"]) == 1
    assert "expected TRAIN or TEST" in capfd.readouterr().err
