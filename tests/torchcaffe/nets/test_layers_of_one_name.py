"""Several layers may have one name, as in published nets: nothing of them gets lost."""

import warnings

import numpy as np
import pytest

import torchcaffe
from caffeformat import (
    InputError,
    Weights,
    geometry,
    parse_text,
    pb,
    read_caffemodel,
    upgrade_net,
    write_caffemodel,
)
from caffeformat.messages import LayerKey, distinct_layers, keys_of_layers, layer_keys
from fcnkit import engine, export
from fcnkit.nets import check_crops
from fcnkit.surgery import fold_batch_norm, transplant

CONV = """
layer {{
  name: "c" type: "Convolution" bottom: "{}" top: "{}"
  convolution_param {{
    num_output: 1 kernel_size: 1 bias_term: false weight_filler {{ type: "constant" value: {} }}
  }}
}}
"""
TEXT = (
    'input: "x" input_shape { dim: 1 dim: 1 dim: 2 dim: 2 }'
    'layer { name: "c" type: "ReLU" bottom: "x" top: "r" }'
    + CONV.format("r", "a", 2)
    + CONV.format("a", "b", 3)
)


def _net():
    net = parse_text(TEXT, pb.NetParameter)
    upgrade_net(net)
    return net


def _open(weights=None):
    return torchcaffe.Net(net_param=_net(), phase=torchcaffe.TEST, weights=weights)


def _values(net):
    return [layer.blobs[0].data.item() for layer in net.layers if len(layer.blobs)]


def test_keys_number_the_later_layers_and_avoid_names_in_use():
    assert layer_keys(["a", "b", "a", "a"]) == ["a", "b", "a#2", "a#3"]
    assert layer_keys(["a", "a#2", "a"]) == ["a", "a#2", "a#3"]
    assert isinstance(layer_keys(["a", "a"])[1], LayerKey)
    message = pb.NetParameter()
    message.CopyFrom(torchcaffe.Net(net_param=_net(), phase=torchcaffe.TEST).message)
    assert keys_of_layers(message.layer)[1:] == ["c#3", "c", "c#2"]
    assert [layer.name for layer in distinct_layers(message).layer][1:] == ["c#3", "c", "c#2"]


def test_saved_weights_hold_both_layers_and_load_into_both(tmp_path):
    net = _open()
    assert _values(net) == [2, 3]
    path = str(tmp_path / "w.caffemodel")
    net.layers[-1].blobs[0].data[...] = 7
    net.save(path)
    found = pb.NetParameter.FromString((tmp_path / "w.caffemodel").read_bytes())
    assert [list(layer.blobs[0].data) for layer in found.layer if layer.blobs] == [[2], [7]]
    assert {layer.name for layer in found.layer if layer.blobs} == {"c"}
    assert list(read_caffemodel(path)) == ["c", "c#2"]
    assert _values(_open(path)) == [2, 7]
    write_caffemodel(path, read_caffemodel(path))  # without the net
    assert _values(_open(path)) == [2, 7]


def test_a_net_with_fewer_such_layers_gets_the_last_with_a_warning(tmp_path):
    path = str(tmp_path / "w.caffemodel")
    _open().save(path)
    one = _net()
    one.layer.pop()
    with pytest.warns(UserWarning, match='more layers are called "c"'):
        assert _values(torchcaffe.Net(net_param=one, phase=torchcaffe.TEST, weights=path)) == [3]


def test_hdf5_has_a_place_for_one_and_refuses(tmp_path):
    with pytest.raises(InputError, match="HDF5 file has a place for one"):
        _open().save(str(tmp_path / "w.caffemodel.h5"))


def test_a_train_and_test_net_is_written_with_one_array_once(tmp_path):
    path = tmp_path / "w.caffemodel"
    write_caffemodel(path, Weights({"c": [np.ones((1, 1, 1, 1))]}), _net())
    found = pb.NetParameter.FromString(path.read_bytes())
    assert [(layer.type, len(layer.blobs)) for layer in found.layer if layer.name == "c"] == [
        ("ReLU", 0), ("Convolution", 1), ("Convolution", 0),
    ]  # fmt: skip


def test_nets_share_layer_by_layer():
    first, second = _open(), _open()
    first.layers[-1].blobs[0].data[...] = 9
    second.share_with(first)
    assert _values(second) == [2, 9]
    assert [blobs[0].data.item() for blobs in engine.layer_params(second).values()] == [2, 9]


@pytest.mark.parametrize("ending", ["safetensors", "pt", "caffemodel", "onnx"])
def test_every_format_holds_both(tmp_path, ending):
    path, net = tmp_path / f"w.{ending}", _open()
    export.write_parameters(path, _net(), net.weights())
    back = export.read_parameters(path, _net())
    assert [blobs[0].item() for blobs in back.values()] == [2, 3]
    assert _values(_open(back)) == [2, 3]
    if ending != "caffemodel":
        (found,) = export.differences(_net(), net.weights(), path, sizes=[(2, 2)])
        assert found.largest == 0


def test_surgery_moves_and_folds_each(tmp_path):
    path = str(tmp_path / "w.caffemodel")
    _open().save(path)
    moved = transplant(read_caffemodel(path), _net())
    assert [str(step) for step in moved.steps] == ["copying c -> c 0", "copying c#2 -> c#2 0"]
    assert _values(_open(moved.weights)) == [2, 3]
    net, weights = fold_batch_norm(_net(), read_caffemodel(path))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = torchcaffe.Net(net_param=net, phase=torchcaffe.TEST, weights=weights)
    assert _values(made) == [2, 3]


CROPS = """
input: "x" input_shape { dim: 1 dim: 1 dim: 20 dim: 20 }
layer {
  name: "p" type: "Convolution" bottom: "x" top: "p"
  convolution_param { num_output: 1 kernel_size: 3 pad: 10 }
}
layer {
  name: "q" type: "Convolution" bottom: "x" top: "q"
  convolution_param { num_output: 1 kernel_size: 3 pad: 5 }
}
layer {
  name: "crop" type: "Crop" bottom: "p" bottom: "x" top: "a" crop_param { axis: 2 offset: 9 }
}
layer {
  name: "crop" type: "Crop" bottom: "q" bottom: "x" top: "b" crop_param { axis: 2 offset: 9 }
}
"""


def test_each_crop_is_checked_by_its_place():
    net = parse_text(CROPS, pb.NetParameter)
    found = [(check.layer, check.has, check.expected) for check in check_crops(net)]
    assert found == [("crop", (9,), (9,)), ("crop#2", (9,), (4,))]
    with pytest.raises(InputError, match=r'2 Crop layers are called "crop"; .*2 \(top "a"\)'):
        geometry.crop_offset(net, "crop")
