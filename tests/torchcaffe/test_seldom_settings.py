"""Rarely used settings have their effect, or are refused with an explanation."""

import numpy as np
import pytest

import torchcaffe as caffe
from caffeformat import InputError, parse_text, pb

pytestmark = pytest.mark.both_modes

STOCHASTIC = """
force_backward: true
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 dim: 5 dim: 5 } } }
layer { name: "pool" type: "Pooling" bottom: "x" top: "y"
  pooling_param { pool: STOCHASTIC kernel_size: 3 stride: 2 } }
"""


def net_of(text, phase):
    return caffe.Net(net_param=parse_text(text, pb.NetParameter), phase=phase)


def windows(x):
    """The 2 x 2 windows of 3 x 3 values at stride 2: C x 4 x 9."""
    places = [(y, z) for y in (0, 2) for z in (0, 2)]
    return np.stack([x[0, :, y : y + 3, z : z + 3].reshape(2, 9) for y, z in places], 1)


def test_stochastic_pooling_weighs_by_the_values_at_test():
    net = net_of(STOCHASTIC, caffe.TEST)
    net.blobs["x"].data[...] = np.random.RandomState(0).rand(1, 2, 5, 5)
    net.blobs["x"].data[0, 0, :3, :3] = 0  # a window without activity gives nothing
    found = net.forward()["y"].reshape(2, 4)
    seen = windows(net.blobs["x"].data)
    expected = (seen**2).sum(2) / np.maximum(seen.sum(2), 1e-30)
    assert found[0, 0] == 0
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.both_modes(slow_on_gpu=True)
def test_stochastic_pooling_draws_by_the_values_while_training():
    caffe.set_random_seed(4)
    net = net_of(STOCHASTIC, caffe.TRAIN)
    net.blobs["x"].data[...] = np.random.RandomState(1).rand(1, 2, 5, 5)
    net.blobs["x"].data[0, 1, 1, 1] = 0
    seen = windows(net.blobs["x"].data)
    passes = 2000
    counts = np.zeros(seen.shape)
    for _ in range(passes):
        counts += seen == net.forward()["y"].reshape(2, 4, 1)
    assert counts.sum() == passes * 8  # each is one of its window
    shares = seen / seen.sum(2, keepdims=True)
    # Four standard deviations of a share that is counted
    assert (abs(counts / passes - shares) < 4 * np.sqrt(0.25 / passes)).all()
    assert (counts[seen == 0] == 0).all()
    net.blobs["y"].diff[...] = 1
    net.backward()
    assert net.blobs["x"].diff.sum() == 8 and np.count_nonzero(net.blobs["x"].diff) <= 8


def test_only_max_pooling_has_a_mask():
    text = STOCHASTIC.replace('top: "y"', 'top: "y" top: "mask"')
    with pytest.raises(InputError, match="MAX"):
        net_of(text, caffe.TRAIN)


def test_snapshots_hold_no_gradients(tmp_path):
    solver = pb.SolverParameter(base_lr=0.1, lr_policy="fixed", snapshot_diff=True)
    solver.net_param.CopyFrom(parse_text(STOCHASTIC, pb.NetParameter))
    with pytest.raises(InputError, match="snapshot_diff"):
        caffe.SGDSolver(param=solver)


def test_a_recurrent_layer_refuses_debug_info():
    text = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 1 dim: 3 } } }
layer { name: "c" type: "Input" top: "c" input_param { shape { dim: 2 dim: 1 } } }
layer { name: "r" type: "RNN" bottom: "x" bottom: "c" top: "h"
  recurrent_param { num_output: 2 debug_info: true } }
"""
    with pytest.raises(InputError, match="debug_info"):
        net_of(text, caffe.TRAIN)


ELTWISE = """
force_backward: true
layer { name: "in" type: "Input" top: "a" top: "b" input_param { shape { dim: 1 dim: 4 } } }
layer { name: "it" type: "Eltwise" bottom: "a" bottom: "b" top: "y" eltwise_param { %s } }
"""


def test_a_maximum_has_no_use_for_coefficients():
    net = net_of(ELTWISE % "operation: MAX coeff: 2 coeff: -1", caffe.TEST)
    net.blobs["a"].data[...], net.blobs["b"].data[...] = [1, 2, 3, 4], [4, 3, 2, 1]
    assert net.forward()["y"].tolist() == [[4, 3, 3, 4]]
    net.blobs["y"].diff[...] = 1
    net.backward()
    assert net.blobs["a"].diff.tolist() == [[0, 0, 1, 1]]
    assert net.blobs["b"].diff.tolist() == [[1, 1, 0, 0]]


@pytest.mark.parametrize(
    "settings", ["operation: PROD coeff: 1 coeff: 1", "coeff: 2", "operation: MAX coeff: 2"]
)
def test_coefficients_that_caffe_refuses_are_refused(settings):
    with pytest.raises(InputError, match=r'layer "it".*coeff'):
        net_of(ELTWISE % settings, caffe.TEST)
