"""What pycaffe's Net allows: backward before any forward, HDF5 files of any name."""

import numpy as np
import pytest

import torchcaffe as caffe
from caffeformat import parse_text, pb, read_caffemodel

pytestmark = pytest.mark.both_modes

NET = """
force_backward: true
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 4 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "ip" top: "ip" }
layer { name: "bn" type: "BatchNorm" bottom: "ip" top: "bn" }
layer { name: "double" type: "Power" bottom: "bn" top: "y" power_param { scale: 2 } }
"""


@pytest.fixture
def net():
    return caffe.Net(net_param=parse_text(NET, pb.NetParameter), phase=caffe.TRAIN)


def test_backward_of_one_layer_before_any_forward(net):
    net.blobs["x"].data[...] = np.arange(12).reshape(4, 3)
    net.blobs["ip"].diff[...] = diff = np.arange(8, dtype=np.float32).reshape(4, 2)
    found = net.backward(start="ip", end="ip")
    weights, bias = net.params["ip"]
    np.testing.assert_allclose(found["x"], diff @ weights.data, rtol=1e-6)
    np.testing.assert_allclose(weights.diff, diff.T @ net.blobs["x"].data, rtol=1e-6)
    np.testing.assert_allclose(bias.diff, diff.sum(0), rtol=1e-6)
    assert (net.blobs["ip"].data == 0).all()  # no forward pass has run


def test_backward_in_place_uses_what_the_blob_holds(net):
    net.blobs["ip"].data[...] = values = np.array([[1, -1]] * 4, np.float32)
    net.blobs["ip"].diff[...] = 3
    net.backward(start="relu", end="relu")
    assert (net.blobs["ip"].diff == np.where(values > 0, 3, 0)).all()
    assert (net.blobs["ip"].data == values).all()


def test_backward_before_forward_leaves_statistics_alone(net):
    net.blobs["ip"].data[...] = np.arange(8).reshape(4, 2)
    net.blobs["bn"].diff[...] = 1
    net.backward(start="bn", end="bn")
    assert [blob.data.sum() for blob in net.params["bn"]] == [0, 0, 0]


@pytest.mark.parametrize("name", ["weights", "weights.caffemodel", "weights.h5"])
def test_save_hdf5_under_any_name(net, tmp_path, name):
    net.params["ip"][0].data[...] = 7
    net.save_hdf5(str(tmp_path / name))
    assert (tmp_path / name).read_bytes().startswith(b"\x89HDF")
    assert (read_caffemodel(tmp_path / name)["ip"][0] == 7).all()
    net.params["ip"][0].data[...] = 1
    net.load_hdf5(str(tmp_path / name))
    assert (net.params["ip"][0].data == 7).all()
