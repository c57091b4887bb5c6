"""Weights in HDF5 files that hold a part of a layer's parameters."""

import h5py
import numpy as np
import pytest

import torchcaffe as caffe
from caffeformat import InputError, pb

CONVOLUTION = """
layer { name: "%s" type: "Convolution" bottom: "data" top: "%s" param { name: "%s" }
        param { name: "%s" } convolution_param { num_output: 2 kernel_size: 1 } }
"""
INPUT = 'input: "data" input_shape { dim: 1 dim: 2 dim: 2 dim: 2 }\n'
ARRAYS = {"0": np.arange(4, dtype=np.float32).reshape(2, 2, 1, 1), "1": np.ones(2, np.float32)}


@pytest.fixture
def load(tmp_path):
    """A function that loads a file of the given blobs into convolutions one and two."""

    def load(names, one, two):
        prototxt, weights = tmp_path / "net.prototxt", tmp_path / "weights.h5"
        layers = [CONVOLUTION % ("one", "one", "w", "b"), CONVOLUTION % ("two", "two", *names)]
        prototxt.write_text(INPUT + "".join(layers))
        with h5py.File(weights, "w") as file:
            for layer, indices in (("one", one), ("two", two)):
                for index in indices:
                    file[f"data/{layer}/{index}"] = ARRAYS[index]
        return caffe.Net(str(prototxt), str(weights), caffe.TEST)

    return load


@pytest.mark.parametrize("names, two", [(("w2", "b"), "0"), (("w", "b2"), "1"), (("w", "b"), "")])
def test_blobs_that_an_earlier_layer_shares_may_be_left_out_as_caffe_does(load, names, two):
    net = load(names, "01", two)
    for blob, values in zip(net.params["two"], ARRAYS.values()):
        np.testing.assert_array_equal(blob.data, values)


@pytest.mark.parametrize("two, said", [("1", "no values for its parameter 0"), ("0", "has 1")])
def test_blobs_that_no_layer_shares_may_not_be_left_out(load, two, said):
    with pytest.raises(InputError, match=said):
        load(("w2", "b2"), "01", two)


def test_a_caffemodel_without_weights_is_named_as_such(tmp_path):
    prototxt, weights = tmp_path / "net.prototxt", tmp_path / "empty.caffemodel"
    prototxt.write_text(INPUT + CONVOLUTION % ("one", "one", "w", "b"))
    message = pb.NetParameter(layer=[pb.LayerParameter(name="one", type="Convolution")])
    weights.write_bytes(message.SerializeToString())
    with pytest.warns(UserWarning, match="empty.caffemodel: holds no weights"):
        caffe.Net(str(prototxt), str(weights), caffe.TEST)
