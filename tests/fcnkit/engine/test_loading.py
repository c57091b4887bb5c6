"""Weights that BVLC Caffe would end the process at: read as far as they fit, or refused."""

import numpy as np
import pytest

from caffeformat import InputError, pb, read_net, write_caffemodel
from fcnkit import engine

pytestmark = pytest.mark.usefixtures("needs_engine")

NET = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } } }
layer { name: "a" type: "Convolution" bottom: "data" top: "a"
  convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "b" type: "ReLU" bottom: "a" top: "a" }
layer { name: "c" type: "Convolution" bottom: "a" top: "c"
  convolution_param { num_output: 2 kernel_size: 1 weight_filler { type: "constant" value: 7 } } }
"""
BLOBS = [np.full((2, 3, 1, 1), 5, np.float32), np.full(2, 5, np.float32)]


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    return engine.open_net(read_net(path), "TEST", source=path)


def test_a_layer_that_the_file_names_without_blobs_keeps_its_values(tmp_path, net):
    message = pb.NetParameter()
    for name in "ac":
        message.layer.add(name=name, type="Convolution")
    write_caffemodel(tmp_path / "w.caffemodel", {"a": BLOBS}, message)
    assert engine.copy_weights(net, tmp_path / "w.caffemodel") == ["c"]
    found = {name: [blob.data.flat[0] for blob in net.params[name]] for name in "ac"}
    assert found == {"a": [5, 5], "c": [7, 0]}


def test_blobs_of_a_layer_that_has_none_in_the_net_are_refused(tmp_path, net):
    write_caffemodel(tmp_path / "w.caffemodel", {"a": BLOBS, "b": BLOBS})
    with pytest.raises(InputError, match=r"w\.caffemodel: layer 'b' has 2 blobs, but 0 in the net"):
        engine.copy_weights(net, tmp_path / "w.caffemodel")
