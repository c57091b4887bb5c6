"""The loss layers in a net: value, gradient, and training with them."""

import json

import numpy as np
import pytest
from tiny_segmentation import write_dataset, write_solver

from caffeformat import InputError, parse_text, pb, read_net
from fcnkit import engine, losses, nets
from fcnkit.commands import main
from fcnkit.training import curves

pytestmark = pytest.mark.usefixtures("needs_engine")

NET = """
force_backward: true
layer {{ name: "in" type: "Input" top: "score" top: "label"
  input_param {{ shape {{ dim: 2 dim: 3 dim: 2 dim: 4 }} shape {{ dim: 2 dim: {channels} dim: 2 dim: 4 }} }} }}
layer {{ name: "loss" type: "Python" bottom: "score" bottom: "label" top: "loss" loss_weight: 3
  propagate_down: true propagate_down: false
  python_param {{ module: "fcnkit.loss_layers" layer: "{layer}" param_str: '{options}' }} }}
"""  # noqa: E501


@pytest.fixture(scope="module")
def small_dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data"))


def open_net(name, channels=1, **options):
    layer = losses.LOSSES[name].layer
    text = NET.format(layer=layer, options=json.dumps(options), channels=channels)
    return engine.open_net(parse_text(text, pb.NetParameter), "TRAIN")


@pytest.mark.parametrize("name", losses.LOSSES)
def test_a_layer_computes_the_loss_and_its_weighted_gradient(name):
    net = open_net(name, ignore_label=255, softmax=0.5)
    random = np.random.RandomState(0)
    scores = random.standard_normal((2, 3, 2, 4)).astype(np.float32)
    labels = random.randint(0, 3, (2, 1, 2, 4)).astype(np.float32)
    labels[1, 0, 1] = 255
    net.blobs["score"].data[...], net.blobs["label"].data[...] = scores, labels
    net.forward()
    net.backward()
    value, gradient = losses.LOSSES[name].function(scores, labels, 255)
    plain, of_plain = losses.softmax(scores, labels, 255)
    assert float(net.blobs["loss"].data[0]) == pytest.approx(value + 0.5 * plain, rel=1e-6)
    wanted = 3 * (gradient() + 0.5 * of_plain())
    np.testing.assert_allclose(net.blobs["score"].diff, wanted, rtol=1e-5, atol=1e-7)


def test_shapes_that_do_not_fit_are_named():
    if engine.name() == "bvlc":
        pytest.skip("BVLC Caffe ends the process where a Python layer raises an error")
    with pytest.raises(InputError, match=r"labels of shape \(2, 2, 2, 4\)"):
        open_net("dice", channels=2)


def test_the_head_of_a_net_is_found_behind_such_a_loss():
    text = NET.format(layer="FocalLoss", options='{"ignore_label": 7}', channels=1)
    head = nets.head(parse_text(text, pb.NetParameter))
    assert head == ("score", "label", 7, False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "loss", [["dice", "softmax=0.5"], ["focal", "gamma=1"], ["hard_pixels", "keep=0.3"]]
)
def test_a_net_learns_with_it(tmp_path, monkeypatch, small_dataset, loss):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(curves, "plot", lambda *_: None)
    write_solver(tmp_path)
    arguments = ["solver.prototxt", "-o", "run", "--data", small_dataset, "--augment"]
    assert main.run_module("fcnkit.commands.train", [*arguments, "--loss", *loss]) == 0
    layer = next(each for each in read_net("run/train.prototxt").layer if each.name == "loss")
    assert (layer.type, layer.python_param.module) == ("Python", losses.MODULE)
    assert json.loads(layer.python_param.param_str)["ignore_label"] == 255
    assert any(each.type == "SoftmaxWithLoss" for each in read_net("run/val.prototxt").layer)
    assert curves.parse_log("run/train.log")[-1]["test_mean_iou"] > 0.9


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--loss", "tversky"], "expected one of dice, focal, hard_pixels"),
        (["--loss", "focal", "gamma"], "--loss gamma: expected KEY=VALUE"),
        (["--loss", "focal", "--class-weights"], "--loss focal replaces the loss that"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path, monkeypatch, capsys, small_dataset, arguments, words
):
    monkeypatch.chdir(tmp_path)
    write_solver(tmp_path)
    run = ["solver.prototxt", "-o", "run", "--data", small_dataset, *arguments]
    assert main.run_module("fcnkit.commands.train", run) == 1
    assert words in capsys.readouterr().err
