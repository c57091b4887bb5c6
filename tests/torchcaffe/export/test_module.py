"""A net as a plain torch module computes what the net does, and its weights convert back."""

import golden_cases
import numpy as np
import pytest
import torch
from golden_compare import assert_close
from golden_networks import fill_by_formula

import torchcaffe
from caffeformat import InputError, parse_text, pb, read_net
from fcnkit.runtimes.onnx_net import takes_shapes
from fcnkit.zoo import networks, path
from torchcaffe.export import from_module, from_state_dict, to_module, write_state

# What other forms of a net cannot say.
REFUSED = {"argmax_0", "argmax_2", "pooling_2"}

NET = """
name: "small net"
input: "data" input_shape { dim: 1 dim: 3 dim: 13 dim: 17 }
layer { name: "a/b" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "norm" type: "BatchNorm" bottom: "c" top: "c" }
layer { name: "scale" type: "Scale" bottom: "c" top: "c" scale_param { bias_term: true } }
layer { name: "train" type: "ReLU" bottom: "c" top: "c" }
layer { name: "pool" type: "Pooling" bottom: "c" top: "pool"
  pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "up" type: "Deconvolution" bottom: "pool" top: "up"
  convolution_param { num_output: 4 group: 4 kernel_size: 6 stride: 2 bias_term: false } }
layer { name: "crop" type: "Crop" bottom: "up" bottom: "c" top: "score" crop_param { offset: 1 } }
"""


def filled_net(message):
    """A Net with random weights; BatchNorm's sums divided by a number that is no power of 2."""
    net = torchcaffe.Net(net_param=message, phase=torchcaffe.TEST)
    fill_by_formula(net)
    for name, blobs in net.params.items():
        if net.layer_dict[name].type == "BatchNorm":
            blobs[1].data[...] = 0.5 + np.abs(blobs[1].data)
            blobs[2].data[...] = 3.3
    return net


def difference(net, module, size=None):
    """The largest difference between the outputs of both, by the largest of the net's."""
    blobs = [net.blobs[name] for name in net.inputs]
    for blob in blobs:
        if size is not None:
            blob.reshape(*blob.shape[:2], *size)
        blob.data[...] = np.random.RandomState(0).standard_normal(blob.shape) * 50
    theirs = net.forward()
    with torch.no_grad():
        ours = module(*(torch.from_numpy(blob.data.copy()) for blob in blobs))
    ours = ours if isinstance(ours, dict) else {next(iter(theirs)): ours}
    assert set(ours) == set(theirs)
    return max(
        np.abs(ours[name].numpy() - value).max() / np.abs(value).max()
        for name, value in theirs.items()
    )


@pytest.mark.parametrize("case", golden_cases.deployable_cases(), ids=lambda case: case.name)
def test_single_layers_compute_what_caffe_did(case):
    if case.name in REFUSED:
        with pytest.raises(InputError, match='layer "it"'):
            to_module(case.net, case.weights)
        return
    module = to_module(case.net, case.weights, list(case.outputs))
    with torch.no_grad():
        made = module(*map(torch.from_numpy, case.inputs.values()))
    if not isinstance(made, dict):
        made = {next(iter(case.outputs)): made}
    for name, values in case.outputs.items():
        assert_close(made[name].numpy(), values, name)


def test_the_module_is_torchs_own_and_takes_any_size():
    net = filled_net(parse_text(NET, pb.NetParameter))
    module = to_module(net)
    assert sorted(module.state_dict()) == [
        "a_b.bias",
        "a_b.weight",
        "norm.bias",
        "norm.num_batches_tracked",
        "norm.running_mean",
        "norm.running_var",
        "norm.weight",
        "up.weight",
    ]
    kinds = {type(child).__module__.split(".")[0] for child in module.modules()}
    assert kinds <= {"torch"}
    assert not module.training
    for size in (None, (14, 17), (21, 30)):
        assert difference(net, module, size) < 1e-5


@pytest.mark.parametrize("name", ["fcn_shapes", "shapes_classifier"])
def test_small_networks_agree(name):
    net = filled_net(read_net(path(name, "deploy.prototxt")))
    assert difference(net, to_module(net)) < 1e-5


def test_weights_come_back_as_they_were_and_statistics_as_what_they_stand_for(tmp_path):
    net = filled_net(parse_text(NET, pb.NetParameter))
    module = to_module(net)
    write_state(tmp_path / "net.pt", {k: v.numpy() for k, v in module.state_dict().items()})
    module.load_state_dict(torch.load(tmp_path / "net.pt"))

    weights = from_module(net, module)
    for name, blobs in net.params.items():
        if name != "norm":
            for back, blob in zip(weights[name], blobs):
                np.testing.assert_array_equal(back, blob.data)
    net.copy_from(weights)
    assert difference(net, module) < 1e-5
    mean, variance, weight = (blob.data for blob in net.params["norm"])
    assert weight == 1
    np.testing.assert_array_equal(mean, module.norm.running_mean.numpy())
    np.testing.assert_array_equal(variance, module.norm.running_var.numpy())


def test_a_state_dict_that_lacks_a_tensor_is_refused():
    net = filled_net(parse_text(NET, pb.NetParameter))
    state = to_module(net).state_dict()
    del state["up.weight"]
    with pytest.raises(InputError, match=r'layer "up".*"up.weight"'):
        from_state_dict(net, state)


def test_state_dicts_of_parameters_and_of_bfloat16_are_taken():
    net = filled_net(parse_text(NET, pb.NetParameter))
    state = dict(to_module(net).state_dict())
    state["up.weight"] = torch.nn.Parameter(torch.full((4, 1, 6, 6), 1.5))
    state["a_b.bias"] = torch.full((4,), -2.0).bfloat16()
    weights = from_state_dict(net, state)
    for name, index, value in (("up", 0, 1.5), ("a/b", 1, -2)):
        assert weights[name][index].dtype == np.float32
        np.testing.assert_array_equal(weights[name][index], value)


def test_an_inputs_name_is_data_and_no_code(tmp_path):
    mark = tmp_path / "ran"
    name = f"data=open({str(mark)!r}, 'w')"
    net = parse_text(NET, pb.NetParameter)
    net.input[0] = net.layer[0].bottom[0] = name
    net = filled_net(net)
    module = to_module(net)
    assert difference(net, module) < 1e-5
    assert not mark.exists()


def test_weights_of_other_sizes_are_refused():
    net = filled_net(parse_text(NET, pb.NetParameter))
    weights = net.weights()
    weights["a/b"][0] = weights["a/b"][0][:, :2]
    with pytest.raises(InputError, match=r"another net.*a_b\.weight"):
        to_module(net, weights)


def test_layers_without_a_counterpart_are_named():
    text = NET + 'layer { name: "pyramid" type: "SPP" bottom: "score" top: "spp"'
    text += " spp_param { pyramid_height: 2 } }"
    net = filled_net(parse_text(text, pb.NetParameter))
    with pytest.raises(InputError, match='layer "pyramid"'):
        to_module(net)
    assert (
        difference(filled_net(parse_text(NET, pb.NetParameter)), to_module(net, None, ["score"]))
        < 1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", networks())
def test_public_networks_agree(name):
    """At a small size, of odd numbers where the network takes any, else at its own."""
    message = read_net(path(name, "deploy.prototxt"))
    inputs = [layer.top[0] for layer in message.layer if layer.type == "Input"]
    fitting = [
        size
        for size in ((131, 97), (128, 96))
        if takes_shapes(message, dict.fromkeys(inputs, (1, 3, *size)))
    ]
    net = filled_net(message)
    assert difference(net, to_module(net), fitting[0] if fitting else None) < 1e-5
