"""Shapes of parameters from a net's text, against what BVLC Caffe made of 282 layers."""

import numpy as np
import pytest

from caffeformat import InputError, filter_net, parse_text, pb
from fcnkit.nets import net_parameters
from fcnkit.nets.parameters import layer_parameters

# Recurrent layers unroll into nets of their own, which no text shows; cases use Parameter layers
# as inputs and do not list them.
NOT_COMPARED = {"LSTM", "RNN", "Parameter"}


@pytest.mark.slow
def test_shapes_are_those_that_caffe_makes(golden):
    checked = set()
    for path in sorted((golden / "layers").glob("*.npz")):
        with np.load(path) as case:
            found = {key: case[key].shape for key in case.files if key.startswith("param:")}
            inputs = {key[3:]: case[key].shape for key in case.files if key.startswith("in:")}
            net = parse_text(str(case["prototxt"]), pb.NetParameter)
            net = filter_net(net, int(case["phase"]))
        compared = {layer.name for layer in net.layer if layer.type not in NOT_COMPARED}
        expected = {
            f"param:{layer.name}:{index}": blob.shape
            for layer, blobs in net_parameters(net, inputs)
            if layer.name in compared
            for index, blob in enumerate(blobs)
        }
        found = {key: shape for key, shape in found.items() if key.split(":")[1] in compared}
        assert expected == found, path.name
        checked |= {layer.type for layer in net.layer if found}
    assert {"Convolution", "Deconvolution", "InnerProduct", "BatchNorm", "Scale"} <= checked


def parameters(text, *bottoms):
    return layer_parameters(parse_text(text, pb.LayerParameter), bottoms)


def test_a_filler_is_the_one_in_force():
    scale, bias = parameters('type: "Scale" scale_param { bias_term: true }', (1, 3, 4, 4))
    assert (scale.filler.type, scale.filler.value) == ("constant", 1)
    assert bias.filler is None
    (slope,) = parameters('type: "PReLU"', (1, 3, 4, 4))
    assert (slope.shape, slope.filler.value) == ((3,), 0.25)
    weights, bias = parameters(
        'type: "InnerProduct" inner_product_param { num_output: 2 weight_filler { type: "msra" } }',
        (1, 3, 4, 4),
    )
    assert weights.filler.type == "msra"
    assert bias.filler is None


def test_an_unknown_shape_is_an_error_that_names_the_blob():
    net = parse_text(
        'layer { name: "data" type: "Data" top: "data" }'
        'layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"'
        "        inner_product_param { num_output: 2 } }",
        pb.NetParameter,
    )
    with pytest.raises(InputError, match='"data" is not known'):
        net_parameters(net)
    (entry,) = net_parameters(net, {"data": (1, 3, 4, 4)})
    assert entry[1][0].shape == (2, 48)


def test_layers_of_forks_have_the_parameters_that_the_engine_makes():
    torchcaffe = pytest.importorskip("torchcaffe")
    for settings in (
        'type: "BN" bn_param { scale_filler { value: 1 } }',
        'type: "BN" bn_param { slope_filler { value: 1 } frozen: true }',
        'type: "Normalize" norm_param { channel_shared: false }',
        'type: "Normalize"',
    ):
        made = parameters(settings, (2, 3, 4, 5))
        net = parse_text(
            'layer { name: "x" type: "Input" top: "x" input_param {'
            f"shape {{ dim: 2 dim: 3 dim: 4 dim: 5 }} }} }}"
            f'layer {{ name: "it" bottom: "x" top: "y" {settings} }}',
            pb.NetParameter,
        )
        blobs = torchcaffe.Net(net_param=net, phase=torchcaffe.TEST).params["it"]
        assert [parameter.shape for parameter in made] == [blob.shape for blob in blobs]
        for parameter, blob in zip(made, blobs):
            assert np.all(blob.data == (0 if parameter.filler is None else parameter.filler.value))
