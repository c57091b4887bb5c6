"""What a Net shows of itself and how its blobs behave, as in pycaffe."""

import numpy as np
import pytest

import torchcaffe
from caffeformat import InputError, parse_text, pb

pytestmark = pytest.mark.both_modes

SMALL = """
name: "small" force_backward: true
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 2 dim: 5 dim: 5 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 3 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "left" type: "Power" bottom: "conv" top: "left" power_param { scale: 2 } }
layer { name: "right" type: "Power" bottom: "conv" top: "right" power_param { scale: 3 } }
"""


def make_net(text, phase=torchcaffe.TEST, **options):
    return torchcaffe.Net(net_param=parse_text(text, pb.NetParameter), phase=phase, **options)


@pytest.fixture
def net():
    torchcaffe.set_random_seed(1)
    net = make_net(SMALL)
    net.blobs["data"].data[...] = np.random.RandomState(0).randn(1, 2, 5, 5)
    return net


def test_names_are_those_of_pycaffe(net):
    assert list(net.blobs) == [
        "data", "conv", "conv_relu_0_split_0", "conv_relu_0_split_1", "left", "right",
    ]  # fmt: skip
    assert net._layer_names == ["data", "conv", "relu", "conv_relu_0_split", "left", "right"]
    assert [layer.type for layer in net.layers][3] == "Split"
    assert (net.inputs, net.outputs) == (["data"], ["left", "right"])
    assert net.bottom_names["left"] == ["conv_relu_0_split_0"]
    assert net.top_names["conv"] == ["conv"]
    assert [blob.shape for blob in net.params["conv"]] == [(3, 2, 3, 3), (3,)]
    assert net.layer_dict["conv"].blobs[0] is net.params["conv"][0]


def test_arrays_that_were_handed_out_stay_live(net):
    out, inside = net.blobs["left"].data, net.blobs["conv"].data
    net.forward()
    first = out.copy()
    np.testing.assert_array_equal(out, 2 * inside)
    net.blobs["data"].data[...] *= -1
    net.forward()
    assert (out != first).any()
    np.testing.assert_array_equal(out, 2 * inside)
    assert out is net.blobs["left"].data


def test_edited_data_is_seen_by_the_layers_that_follow(net):
    net.forward(end="relu")
    net.blobs["conv"].data[...] = 7
    result = net.forward(start="conv_relu_0_split")
    assert (result["left"] == 14).all() and (result["right"] == 21).all()


def test_diffs_of_a_split_add_up_and_in_place_holds_the_gradient_of_the_input(net):
    net.forward()
    positive = net.blobs["conv"].data > 0
    net.blobs["left"].diff[...] = 1
    net.blobs["right"].diff[...] = 10
    net.backward(end="relu")
    np.testing.assert_array_equal(net.blobs["conv"].diff, np.where(positive, 32, 0))
    assert (net.blobs["conv_relu_0_split_1"].diff == 30).all()


def test_edited_diff_is_what_goes_on_backward(net):
    net.forward()
    net.blobs["left"].diff[...] = 1
    net.backward(end="relu")
    net.blobs["conv"].diff[...] = 0
    net.blobs["conv"].diff[0, 1, 2, 2] = 1
    net.backward(start="conv")
    np.testing.assert_array_equal(net.params["conv"][1].diff, [0, 1, 0])
    expected = np.zeros((1, 2, 5, 5))
    expected[:, :, 2:5, 2:5] = net.params["conv"][0].data[1]
    np.testing.assert_allclose(net.blobs["data"].diff, expected, rtol=1e-6)


def test_backward_can_be_repeated_and_parameter_diffs_add_up(net):
    net.forward()
    net.backward(left=np.ones((1, 3, 3, 3)), right=np.zeros((1, 3, 3, 3)))
    once, bottom = net.params["conv"][0].diff.copy(), net.blobs["data"].diff.copy()
    net.backward()
    np.testing.assert_allclose(net.params["conv"][0].diff, 2 * once, rtol=1e-6)
    np.testing.assert_array_equal(net.blobs["data"].diff, bottom)
    net.clear_param_diffs()
    assert not net.params["conv"][0].diff.any()


def test_held_in_place_blob_does_not_spoil_the_gradient():
    text = """force_backward: true
    layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 } } }
    layer { name: "copy" type: "Power" bottom: "data" top: "x" }
    layer { name: "swish" type: "Swish" bottom: "x" top: "x" }"""
    diffs = []
    for held in (False, True):
        net = make_net(text)
        net.blobs["data"].data[...] = [-1, 0.5, 1, 2]
        keep = net.blobs["x"].data if held else None
        net.forward()
        net.blobs["x"].diff[...] = 1
        net.backward()
        diffs.append(net.blobs["data"].diff.copy())
        del keep
    np.testing.assert_array_equal(diffs[0], diffs[1])


def test_weights_with_a_learning_rate_of_zero_get_no_gradient_unless_forced():
    text = """{}
    layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 2 dim: 3 }} }} }}
    layer {{ name: "fixed" type: "InnerProduct" bottom: "data" top: "a" param {{ lr_mult: 0 }}
      inner_product_param {{ num_output: 2 bias_term: false weight_filler {{ type: "xavier" }} }} }}
    layer {{ name: "free" type: "InnerProduct" bottom: "a" top: "b"
      inner_product_param {{ num_output: 2 weight_filler {{ type: "xavier" }} }} }}
    layer {{ name: "sum" type: "Power" bottom: "b" top: "l" loss_weight: 1 }}"""
    for forced in (False, True):
        net = make_net(text.format("force_backward: true" if forced else ""))
        net.blobs["data"].data[...] = 1
        net.forward()
        net.backward()
        assert net.params["free"][0].diff.any()
        assert net.params["fixed"][0].diff.any() == forced
        assert net.blobs["data"].diff.any() == forced


def test_propagate_down_cuts_the_way_back():
    text = """force_backward: false
    layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
    layer { name: "first" type: "InnerProduct" bottom: "data" top: "a"
      inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
    layer { name: "sum" type: "Power" bottom: "a" top: "l" loss_weight: 1 propagate_down: false }"""
    net = make_net(text)
    net.blobs["data"].data[...] = 1
    net.forward()
    net.backward()
    assert not net.params["first"][0].diff.any()


def test_shared_parameters_are_one_and_their_diffs_add_up():
    text = """
    layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 } } }
    layer { name: "one" type: "InnerProduct" bottom: "data" top: "a" param { name: "w" lr_mult: 3 }
      inner_product_param { num_output: 2 bias_term: false weight_filler { type: "xavier" } } }
    layer { name: "two" type: "InnerProduct" bottom: "a" top: "b" param { name: "w" }
      inner_product_param { num_output: 2 bias_term: false } }
    layer { name: "sum" type: "Reduction" bottom: "b" top: "l" loss_weight: 1 }"""
    net = make_net(text)
    assert len(net.learnable_params) == 1 and net.learnable_params[0].lr_mult == 3
    weights = net.params["one"][0].data
    np.testing.assert_array_equal(weights, net.params["two"][0].data)
    x = net.blobs["data"].data
    x[...] = [[1, 2]]
    net.forward()
    net.backward()
    inner = weights @ x[0]
    expected = np.outer([1, 1], inner) + np.outer(weights.T @ [1, 1], x[0])
    np.testing.assert_allclose(net.params["one"][0].diff, expected, rtol=1e-5)

    with pytest.raises(InputError, match='layer "two" shares the parameter "w" of layer "one"'):
        make_net(
            text.replace("num_output: 2 bias_term: false }", "num_output: 3 bias_term: false }")
        )
    with pytest.raises(InputError, match="have a different lr_mult: 3 and 2"):
        make_net(text.replace('param { name: "w" }', 'param { name: "w" lr_mult: 2 }'))


def test_reshaped_input_reaches_all_blobs(net):
    net.blobs["data"].reshape(2, 2, 7, 9)
    net.reshape()
    assert net.blobs["right"].shape == (2, 3, 5, 7)
    assert net.forward()["left"].shape == (2, 3, 5, 7)


def test_forward_takes_inputs_and_names_of_blobs(net):
    x = np.ones((1, 2, 5, 5), np.float32)
    result = net.forward(blobs=["conv"], data=x)
    assert set(result) == {"left", "right", "conv"}
    np.testing.assert_array_equal(net.blobs["data"].data, x)
    with pytest.raises(InputError, match="inputs are data; found arrays for label"):
        net.forward(label=x)
    with pytest.raises(InputError, match=r"has shape \(1, 2, 5, 5\), but the array"):
        net.forward(data=x[:, :1])


def test_forward_all_runs_in_batches(net):
    images = np.random.RandomState(1).randn(3, 2, 5, 5)
    together = net.forward_all(data=images)
    assert together["left"].shape == (3, 3, 3, 3)
    for image, left in zip(images, together["left"]):
        np.testing.assert_allclose(net.forward(data=image[None])["left"][0], left, rtol=1e-6)


def test_lean_forward_gives_the_same_and_leaves_blobs_alone(net):
    expected = {name: value.copy() for name, value in net.forward(blobs=["conv"]).items()}
    net.blobs["conv"].data[...] = 99
    lean = net.forward(blobs=["conv"], keep_blobs=False)
    assert set(lean) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(lean[name], value)
    assert (net.blobs["conv"].data == 99).all()


def test_callbacks_are_told_the_layer(net):
    seen = []
    net.before_forward(lambda index: seen.append(("forward", index)))
    net.after_backward(lambda index: seen.append(("backward", index)))
    net.forward(start="conv", end="relu")
    net.backward(start="relu", end="conv")
    assert seen == [("forward", 1), ("forward", 2), ("backward", 2), ("backward", 1)]


def test_weights_are_saved_and_loaded_in_both_formats(net, tmp_path):
    expected = [blob.data.copy() for blob in net.params["conv"]]
    net.save(tmp_path / "w.caffemodel")
    net.save_hdf5(tmp_path / "w.caffemodel.h5")
    for name in ("w.caffemodel", "w.caffemodel.h5"):
        other = make_net(SMALL, weights=tmp_path / name)
        for blob, values in zip(other.params["conv"], expected):
            np.testing.assert_array_equal(blob.data, values)


def test_share_with_uses_one_memory(net):
    other = make_net(SMALL)
    other.share_with(net)
    net.params["conv"][0].data[...] = 5
    assert (other.params["conv"][0].data == 5).all()


def test_loss_weights_and_automatic_tops():
    text = """
    layer { name: "x" type: "Input" top: "x" top: "y"
      input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }
    layer { name: "plain" type: "SoftmaxWithLoss" bottom: "x" bottom: "y" top: "loss" }
    layer { name: "half" type: "SoftmaxWithLoss" bottom: "x" bottom: "y" loss_weight: 0.5 }"""
    net = make_net(text)
    assert net.blob_loss_weights["loss"] == 1.0 and net.blob_loss_weights["x"] == 0.0
    net.forward()
    assert float(net.loss()) == pytest.approx(1.5 * np.log(3), rel=1e-6)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (('type: "ReLU"', 'type: "RelU"'), 'no layer type "RelU".* Did you mean "ReLU"'),
        (('bottom: "conv" top: "left"', 'bottom: "cnv" top: "left"'), 'layer "left".*"cnv"'),
        (("kernel_size: 3", "kernel_size: 9"), 'layer "conv".*5 pixels with kernel 9'),
        (('top: "right"', 'top: "left"'), 'layer "right".*"left"'),
        (('bottom: "conv" top: "left"', 'top: "left"'), 'layer "left".*0 bottom blob'),
    ],
)
def test_net_that_cannot_be_is_refused_with_the_layer(change, problem):
    with pytest.raises(InputError, match=problem):
        make_net(SMALL.replace(*change))


def test_weights_of_another_net_are_refused_with_both_shapes(net, tmp_path):
    net.save(tmp_path / "w.caffemodel")
    other = make_net(SMALL.replace("num_output: 3", "num_output: 4"))
    with pytest.raises(InputError, match=r'layer "conv".*\(4, 2, 3, 3\).*\(3, 2, 3, 3\)'):
        other.copy_from(tmp_path / "w.caffemodel")
    without_bias = make_net(SMALL.replace("num_output: 3", "num_output: 3 bias_term: false"))
    with pytest.raises(InputError, match=r'layer "conv".*1 parameter blob.* has 2'):
        without_bias.copy_from(tmp_path / "w.caffemodel")


@pytest.mark.parametrize("loss", ["SoftmaxWithLoss", "Accuracy"])
def test_label_past_the_classes_is_named(loss):
    text = f"""
    layer {{ name: "x" type: "Input" top: "x" top: "y"
      input_param {{ shape {{ dim: 2 dim: 3 }} shape {{ dim: 2 }} }} }}
    layer {{ name: "it" type: "{loss}" bottom: "x" bottom: "y" top: "out" }}"""
    net = make_net(text)
    net.blobs["y"].data[...] = [1, 7]
    with pytest.raises(InputError, match=r'layer "it".*"y" holds the label 7.*3 classes'):
        net.forward()


def test_blob_legacy_names():
    blob = torchcaffe.Blob((2, 3))
    assert (blob.num, blob.channels, blob.height, blob.width, blob.count) == (2, 3, 1, 1, 6)
    blob.data[...] = np.arange(6).reshape(2, 3)
    blob.reshape(3, 2)
    np.testing.assert_array_equal(blob.data, np.arange(6).reshape(3, 2))
    with pytest.raises(InputError, match="up to 4 axes"):
        _ = torchcaffe.Blob((1,) * 5).num


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("dim: 5 dim: 5", "dim: 30000 dim: 30000"), 'layer "conv".* values; a blob can have'),
        (("num_output: 3", "num_output: 115000000"), 'layer "conv".*a parameter.* GB of memory'),
    ],
)
def test_net_that_cannot_fit_in_memory_is_refused_before_it_is_made(change, problem, monkeypatch):
    monkeypatch.setattr("torchcaffe.core.budget.available", lambda device: 8_000_000_000)
    with pytest.raises(InputError, match=problem):
        make_net(SMALL.replace(*change))
