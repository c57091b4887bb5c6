import pytest
from tiny_segmentation import net_text

from caffeformat import InputError, filter_net, parse_text, pb
from fcnkit.nets import roles
from fcnkit.training import diagnosis


def net(text):
    return parse_text(text, pb.NetParameter)


def names(message):
    return [layer.name for layer in message.layer]


def test_an_all_in_one_net_becomes_a_deploy_net():
    deploy, image = roles.deploy_net(net(net_text()), (40, 50))
    assert image == "data"
    assert names(deploy) == ["data", "shift", "small", "conv1", "relu1", "score"]
    assert deploy.layer[0].type == "Input"
    assert list(deploy.layer[0].input_param.shape[0].dim) == [1, 3, 40, 50]


def test_what_depends_on_labels_is_left_out_of_a_deploy_net():
    text = """
    layer { name: "both" type: "Python" top: "data" top: "label" python_param { module: "m" } }
    layer { name: "mask" type: "Power" bottom: "label" top: "mask" }
    layer { name: "conv" type: "Convolution" bottom: "data" top: "score" }
    layer { name: "mix" type: "Eltwise" bottom: "score" bottom: "mask" top: "mixed" }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" }
    layer { name: "quiet" type: "Silence" bottom: "mixed" }
    """
    assert names(roles.deploy_net(net(text), (8, 8))[0]) == ["data", "conv"]


def test_an_input_of_another_size_gets_the_images():
    text = """
    layer { name: "in" type: "Input" top: "data" top: "aux"
      input_param { shape { dim: 10 dim: 3 dim: 227 dim: 227 } } }
    layer { name: "conv" type: "Convolution" bottom: "data" top: "score" }
    """
    deploy, _ = roles.deploy_net(net(text), (5, 6))
    shapes = [list(shape.dim) for shape in deploy.layer[0].input_param.shape]
    assert shapes == [[1, 3, 5, 6], [10, 3, 227, 227]]


def test_a_net_without_one_image_input_is_named():
    text = 'layer { name: "in" type: "Input" top: "left" top: "right" }'
    with pytest.raises(InputError, match="left, right"):
        roles.deploy_net(net(text), (5, 5))


def test_the_head_is_the_last_loss_with_its_ignore_label():
    head = roles.head(net(net_text()))
    assert head == ("score", "label", 255, True)
    only_accuracy = filter_net(net(net_text()), pb.TEST, stages=("deploy", "val"))
    assert roles.head(only_accuracy).label == "label"
    assert roles.head(net('layer { name: "a" type: "ReLU" }')) is None


def test_an_unnormalised_loss_is_not_per_pixel():
    text = """layer { name: "l" type: "SoftmaxWithLoss" bottom: "s" bottom: "t" top: "loss"
      loss_param { normalize: false } }"""
    assert not roles.head(net(text)).is_per_pixel


def test_loss_weights():
    text = """
    layer { name: "a" type: "SoftmaxWithLoss" bottom: "x" bottom: "y" top: "main" }
    layer { name: "b" type: "SoftmaxWithLoss" bottom: "x" bottom: "y" top: "aux" loss_weight: 0.4 }
    layer { name: "c" type: "Accuracy" bottom: "x" bottom: "y" top: "accuracy" }
    """
    assert roles.loss_weights(net(text)) == {"main": 1.0, "aux": pytest.approx(0.4)}


CHAIN = """
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "conv2" type: "Convolution" bottom: "conv1" top: "conv2" }
layer { name: "side" type: "Convolution" bottom: "conv1" top: "side" }
layer { name: "sum" type: "Eltwise" bottom: "conv2" bottom: "side" top: "sum" }
layer { name: "up" type: "Deconvolution" bottom: "sum" top: "up" param { lr_mult: 0 } }
layer { name: "crop" type: "Crop" bottom: "up" bottom: "data" top: "score" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" }
"""


@pytest.mark.parametrize(
    ("zero", "stuck"),
    [
        ([], []),
        (["conv2"], []),
        (["conv1"], []),
        (["conv2", "side"], []),
        (["conv1", "conv2"], []),
        (["conv1", "conv2", "side"], ["conv1", "conv2", "side"]),
        (["up"], ["up"]),
        (["conv2", "up"], ["conv2", "up"]),
    ],
)
def test_zero_layers_are_stuck_where_no_way_round_them_learns(zero, stuck):
    assert diagnosis.stuck_layers(net(CHAIN), zero) == stuck


def test_the_image_that_a_crop_takes_its_size_from_does_not_wake_what_is_below():
    last = """
    layer { name: "last" type: "Convolution" bottom: "score" top: "last" }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "last" bottom: "label" top: "loss" }
    """
    text = "".join(line for line in CHAIN.splitlines(True) if '"loss"' not in line) + last
    assert diagnosis.stuck_layers(net(text), ["up", "last"]) == ["up", "last"]
