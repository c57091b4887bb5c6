"""Scores of whole FCNs in BVLC Caffe 1.0."""

import numpy as np
import pytest
from golden_networks import fill_by_formula, network

import torchcaffe

pytestmark = pytest.mark.both_modes(slow_on_gpu=True)


@pytest.mark.parametrize(
    "name",
    [
        "voc-fcn-alexnet",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in (
                "digits-fcn-alexnet",
                "voc-fcn32s",
                "voc-fcn16s",
                "voc-fcn8s",
                "voc-fcn8s-atonce",
            )
        ),
    ],
)
def test_scores_are_those_of_caffe(golden, name):
    expected = np.load(golden / "networks" / f"{name}.npz")
    message = network(golden / "tables" / "networks.csv", name)
    net = torchcaffe.Net(net_param=message, phase=torchcaffe.TEST)
    fill_by_formula(net)
    net.blobs["data"].reshape(*expected["in:data"].shape)
    net.blobs["data"].data[...] = expected["in:data"]
    scores = net.forward()["score"]
    assert scores.shape == expected["out:score"].shape
    error = np.abs(scores - expected["out:score"]).max()
    assert error <= 1e-4 * np.abs(expected["out:score"]).max()

    lean = net.forward(keep_blobs=False)["score"]
    np.testing.assert_array_equal(lean, scores)
