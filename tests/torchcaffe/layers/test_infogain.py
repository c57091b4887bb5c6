"""InfogainLoss with its matrix in a file, which takes two bottoms."""

import numpy as np
import pytest

import torchcaffe
from caffeformat import parse_text, pb, write_blob

pytestmark = pytest.mark.both_modes

NET = """
layer {{ name: "score" type: "Input" top: "score"
         input_param {{ shape {{ dim: 2 dim: 3 dim: 4 dim: 5 }} }} }}
layer {{ name: "label" type: "Input" top: "label"
         input_param {{ shape {{ dim: 2 dim: 1 dim: 4 dim: 5 }} }} }}
layer {{ name: "loss" type: "{type}" bottom: "score" bottom: "label" top: "loss"
         loss_param {{ ignore_label: 255 }} {more} }}
force_backward: true
"""


def _gradient(kind, more=""):
    net = torchcaffe.Net(
        net_param=parse_text(NET.format(type=kind, more=more), pb.NetParameter), phase=0
    )
    random = np.random.RandomState(3)
    net.blobs["score"].data[...] = random.randn(2, 3, 4, 5)
    labels = random.randint(0, 3, (2, 1, 4, 5))
    labels[0, 0, 0] = 255
    net.blobs["label"].data[...] = labels
    net.forward()
    net.backward()
    return float(net.blobs["loss"].data), net.blobs["score"].diff.copy(), labels[:, 0]


@pytest.mark.parametrize("weights", [(1, 1, 1), (0.5, 1, 4)])
def test_a_diagonal_matrix_weighs_each_pixels_softmax_loss(tmp_path, weights):
    path = tmp_path / "h.binaryproto"
    write_blob(path, np.diag(np.float32(weights))[None, None])
    _, plain, labels = _gradient("SoftmaxWithLoss")
    loss, weighted, _ = _gradient("InfogainLoss", f'infogain_loss_param {{ source: "{path}" }}')
    factor = np.append(weights, np.zeros(253))[labels][:, None]
    np.testing.assert_allclose(weighted, plain * factor, rtol=1e-4, atol=1e-7)
    assert np.isfinite(loss)
    assert weighted.any()
