"""Caffe's commands with `-gpu`: which device is used, what is logged, and what is refused."""

import numpy as np
import pytest

from caffeformat import open_database, pb, read_caffemodel
from torchcaffe import core
from torchcaffe.__main__ import main
from torchcaffe.commands.engine_flags import choose_device
from torchcaffe.core import device

NET = """
name: "tiny"
layer { name: "x" type: "DummyData" top: "x" top: "y" dummy_data_param {
  shape { dim: 4 dim: 3 } shape { dim: 4 }
  data_filler { type: "constant" value: 0.5 } data_filler { type: "constant" value: 1 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param {
  num_output: 3 weight_filler { type: "constant" value: 0.01 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "y" top: "loss" }
"""
SOLVER = 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 3 snapshot_prefix: "run" '


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, gpu_mode):
    """A folder with a solver; CPU mode until a command changes it."""
    device.set_mode_cpu()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    return tmp_path


def weights(path="run_iter_3.caffemodel"):
    return [np.array(blob) for blob in read_caffemodel(path)["ip"]]


@pytest.mark.slow
def test_training_on_a_gpu_gives_the_weights_of_the_cpu(capfd):
    assert main(["train", "-solver=solver.prototxt"]) == 0
    expected = weights()
    assert main(["train", "-solver=solver.prototxt", "-gpu=0"]) == 0
    text = capfd.readouterr().err
    assert "] Use CPU.\n" in text
    assert "] Using GPUs 0\n" in text
    assert f"] GPU 0: {device.gpus().get_device_name(0)}\n" in text
    assert device.current_device().type == device.GPU
    for mine, theirs in zip(weights(), expected):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("fields", ["solver_mode: GPU", "solver_mode: GPU device_id: 0"])
def test_the_solver_chooses_where_the_flag_does_not(folder, fields):
    (folder / "solver.prototxt").write_text(SOLVER + fields)
    assert main(["train", "-solver=solver.prototxt"]) == 0
    assert device.current_device().type == device.GPU


@pytest.mark.parametrize("gpu", ["0", "all"])
def test_scoring_and_timing_take_the_first_gpu(capfd, gpu):
    assert main(["train", "-solver=solver.prototxt"]) == 0
    for argv in (["test", "-weights=run_iter_3.caffemodel"], ["time"]):
        device.set_mode_cpu()
        assert main([*argv, "-model=net.prototxt", "-iterations=2", f"-gpu={gpu}"]) == 0
        assert "] Use GPU with device ID 0\n" in capfd.readouterr().err
        assert device.current_device() == device.torch.device(device.GPU, 0)


def test_of_several_gpus_the_first_that_is_named_is_taken(monkeypatch):
    """There may be one here: what is chosen is seen, and nothing is built on it."""
    monkeypatch.setattr(device, "gpu_count", lambda: 4)
    monkeypatch.setattr(device, "_device_id", 0)
    names = type("Names", (), {"get_device_name": staticmethod(str)})
    monkeypatch.setattr(device, "gpus", lambda: names)
    monkeypatch.setattr(core, "gpus", lambda: names)
    choose_device("3,1", "caffe.cpp:275")
    assert device.current_device() == device.torch.device(device.GPU, 3)


def test_features_are_extracted_on_a_gpu(capfd):
    assert main(["train", "-solver=solver.prototxt"]) == 0
    argv = ["run_iter_3.caffemodel", "net.prototxt", "ip", "features", "1", "lmdb", "GPU", "0"]
    assert main(["extract_features", *argv]) == 0
    with open_database("features") as database:
        datum = pb.Datum.FromString(next(iter(database.items()))[1])
    weight, bias = weights()
    np.testing.assert_allclose(datum.float_data, weight.sum(1) / 2 + bias, rtol=1e-5)


@pytest.mark.parametrize("gpu", ["0", "all"])
def test_devices_are_reported(capfd, gpu):
    assert main(["device_query", f"-gpu={gpu}"]) == 0
    text = capfd.readouterr().err
    properties = device.gpus().get_device_properties(0)
    assert f"] Querying GPUs {gpu}\n" in text
    assert "Device id:                     0\n" in text
    assert f"Name:                          {properties.name}\n" in text
    assert f"Total global memory:           {properties.total_memory}\n" in text


@pytest.mark.parametrize(
    ("gpu", "problem"),
    [
        ("one", '-gpu is "one"; expected numbers, or all.'),
        ("0,0", "-gpu 0,0 names a GPU twice."),
        ("99", "GPU 99 was requested, but there are"),
        ("-1", "GPU -1 was requested, but there are"),
    ],
)
@pytest.mark.parametrize("command", ["train -solver=solver.prototxt", "device_query"])
def test_a_wrong_list_of_gpus_is_refused(capfd, command, gpu, problem):
    assert main([*command.split(), f"-gpu={gpu}"]) == 1
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith("F") and problem in last


def test_all_gpus_where_there_are_none(capfd, monkeypatch):
    monkeypatch.setattr(device.gpus(), "is_available", lambda: False, raising=False)
    assert main(["train", "-solver=solver.prototxt", "-gpu=all"]) == 1
    assert "-gpu is all, but PyTorch finds no CUDA device" in capfd.readouterr().err
