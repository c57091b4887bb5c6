"""Interp with a second bottom: the size of another blob, whatever that is."""

import numpy as np
import pytest

import torchcaffe as caffe
from caffeformat import InputError, NetSpec, geometry, infer_shapes, layers


def net():
    n = NetSpec()
    n.data = layers.Input(shape={"dim": [1, 1, 9, 7]})
    n.half = layers.Pooling(n.data, kernel_size=1, stride=2)
    n.up = layers.Interp(n.half, n.data)
    message = n.to_proto()
    message.force_backward = True
    return message


def test_it_takes_the_size_of_its_second_bottom_and_no_gradient_to_it():
    running = caffe.Net(net_param=net(), phase=caffe.TEST)
    running.blobs["data"].reshape(2, 1, 5, 11)
    # A ramp along the columns comes back as that ramp, corners on corners.
    running.blobs["data"].data[...] = np.arange(11)
    assert np.allclose(running.forward()["up"], np.broadcast_to(np.arange(11), (2, 1, 5, 11)))
    running.blobs["up"].diff[...] = 1
    running.backward()
    assert running.blobs["data"].diff.sum() == pytest.approx(2 * 5 * 11)
    assert not running.blobs["data"].diff[..., 1::2].any()  # the pooling reads every second


def test_its_map_depends_on_sizes():
    assert geometry.layer_map(net().layer[2]) is None


def test_a_second_bottom_without_height_and_width_is_refused():
    message = net()
    del message.layer[0].input_param.shape[0].dim[2:]
    del message.layer[1:]
    message.layer.add(name="up", type="Interp", bottom=["data", "data"], top=["up"])
    with pytest.raises(InputError, match="up"):
        infer_shapes(message)
