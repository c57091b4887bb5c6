"""BatchNorm and Scale run as one, and nobody can tell."""

import numpy as np
import pytest

import torchcaffe
from caffeformat import parse_text, pb

pytestmark = pytest.mark.both_modes

NET = """
force_backward: true
layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 4 dim: 3 dim: 2 dim: 2 }} }} }}
layer {{ name: "norm" type: "BatchNorm" bottom: "x" top: "y" {fixed} }}
layer {{ name: "scale" type: "Scale" bottom: "y" top: "{top}" scale_param {{ bias_term: {bias}
  filler {{ type: "uniform" min: 0.5 max: 2 }} bias_filler {{ type: "uniform" }} }} }}
"""  # noqa: E501


def _net(top="y", bias="true", phase=torchcaffe.TRAIN):
    text = NET.format(top=top, bias=bias, fixed="")
    torchcaffe.set_random_seed(3)
    net = torchcaffe.Net(net_param=parse_text(text, pb.NetParameter), phase=phase)
    random = np.random.RandomState(0)
    net.blobs["x"].data[...] = random.randn(4, 3, 2, 2)
    if phase == torchcaffe.TEST:
        for blob, values in zip(net.params["norm"], (random.rand(3), random.rand(3) + 1, [2])):
            blob.data[...] = values
    return net


def _observe(net, forward, backward):
    """Everything that can be seen after both passes, run in the given pieces."""
    for start, end in forward:
        net.forward(start=start, end=end)
    net.blobs[net.outputs[0]].diff[...] = np.random.RandomState(1).randn(4, 3, 2, 2)
    for start, end in backward:
        net.backward(start=start, end=end)
    seen = [net.blobs[net.outputs[0]].data, net.blobs["y"].diff, net.blobs["x"].diff]
    for blobs in net.params.values():
        seen += [blob.data for blob in blobs] + [blob.diff for blob in blobs]
    return [array.copy() for array in seen]


WHOLE = [(None, None)]
FORWARD_PIECES = [(None, "norm"), ("scale", None)]
BACKWARD_PIECES = [(None, "scale"), ("norm", None)]


@pytest.mark.parametrize("phase", [torchcaffe.TRAIN, torchcaffe.TEST])
@pytest.mark.parametrize("bias", ["true", "false"])
def test_passes_in_one_go_and_in_pieces_give_the_same(bias, phase):
    expected = _observe(_net(bias=bias, phase=phase), FORWARD_PIECES, BACKWARD_PIECES)
    for forward, backward in (
        (WHOLE, WHOLE),
        (WHOLE, BACKWARD_PIECES),
        (FORWARD_PIECES, WHOLE),
    ):
        found = _observe(_net(bias=bias, phase=phase), forward, backward)
        for mine, theirs in zip(found, expected):
            np.testing.assert_allclose(mine, theirs, rtol=2e-5, atol=1e-6)


def test_pair_in_place_is_the_pair_apart():
    in_place, apart = _net(), _net(top="z")
    for mine, theirs in zip(_observe(in_place, WHOLE, WHOLE), _observe(apart, WHOLE, WHOLE)):
        np.testing.assert_allclose(mine, theirs, rtol=2e-5, atol=1e-6)


def test_gradients_are_the_same_whoever_holds_a_diff():
    free, held = _net(top="y"), _net(top="y")
    array = held.blobs["y"].diff
    for mine, theirs in zip(_observe(held, WHOLE, WHOLE), _observe(free, WHOLE, WHOLE)):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6)
    assert array is held.blobs["y"].diff


def test_statistics_are_updated_once():
    net = _net()
    _observe(net, WHOLE, BACKWARD_PIECES)
    assert net.params["norm"][2].data[0] == 1


def test_pass_that_keeps_nothing_gives_the_same():
    net = _net(phase=torchcaffe.TEST)
    expected = net.forward()["y"].copy()
    np.testing.assert_allclose(net.forward(keep_blobs=False)["y"], expected, rtol=1e-6)
