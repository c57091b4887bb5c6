"""Arrays that were handed out are the blobs' own numbers, however long somebody keeps them."""

import numpy as np
import pytest
import torch

import torchcaffe
from caffeformat import parse_text, pb
from torchcaffe.solvers import Solver

pytestmark = pytest.mark.both_modes

TRAINED = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 6 dim: 4 } } }
layer { name: "fc" type: "InnerProduct" bottom: "x" top: "fc"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "bn" type: "BatchNorm" bottom: "fc" top: "fc" }
layer { name: "scale" type: "Scale" bottom: "fc" top: "fc" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "fc" top: "fc" }
layer { name: "loss" type: "Reduction" bottom: "fc" top: "loss" loss_weight: 1
  reduction_param { operation: SUMSQ } }
"""
X = np.random.RandomState(0).randn(6, 4).astype(np.float32)


def make_net(text, phase=torchcaffe.TRAIN):
    torchcaffe.set_random_seed(1)
    return torchcaffe.Net(net_param=parse_text(text, pb.NetParameter), phase=phase)


def make_solver():
    torchcaffe.set_random_seed(1)
    param = parse_text(
        'lr_policy: "fixed" base_lr: 0.01 momentum: 0.9 test_iter: 1 test_interval: 1000 '
        "test_initialization: false",
        pb.SolverParameter,
    )
    param.net_param.CopyFrom(parse_text(TRAINED, pb.NetParameter))
    solver = Solver(param=param)
    for net in (solver.net, *solver.test_nets):
        net.blobs["x"].data[...] = X
    return solver


def arrays_of(net):
    blobs = [*net.blobs.values(), *(blob for blobs in net.params.values() for blob in blobs)]
    return [array for blob in blobs for array in (blob.data, blob.diff)]


def test_a_training_is_the_same_whatever_is_held_meanwhile():
    seen = []
    for hold in (False, True):
        solver = make_solver()
        nets = [solver.net, *solver.test_nets]
        kept = [arrays_of(net) for net in nets] if hold else None
        for _ in range(3):
            solver.step(1)
            solver.test_nets[0].forward()
        seen.append([array.copy() for net in nets for array in arrays_of(net)])
        if hold:
            for array, now in zip((array for arrays in kept for array in arrays), seen[-1]):
                np.testing.assert_array_equal(array, now)
    for free, held in zip(*seen):
        np.testing.assert_allclose(held, free, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", ["Scale", "PReLU"])
def test_a_layer_that_overwrites_an_input_learns_from_what_it_was(kind):
    """No gradient is computed for an input, but those of parameters are computed from it."""
    diffs = []
    for hold in (False, True):
        net = make_net(f"""
        layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 6 dim: 4 }} }} }}
        layer {{ name: "learns" type: "{kind}" bottom: "x" top: "x"
          scale_param {{ filler {{ value: 3 }} }} }}
        layer {{ name: "loss" type: "Reduction" bottom: "x" top: "loss" loss_weight: 1
          reduction_param {{ operation: SUMSQ }} }}""")
        array = net.blobs["x"].data
        array[...] = X
        if not hold:
            del array
        net.forward()
        net.backward()
        diffs.append(net.params["learns"][0].diff.copy())
    assert diffs[0].any()
    np.testing.assert_allclose(*diffs, rtol=1e-6)


def test_weights_held_through_a_test_net_are_the_trained_ones():
    solver = make_solver()
    held = solver.test_nets[0].params["fc"][0].data
    before = held.copy()
    solver.step(1)
    assert (held != before).any()
    np.testing.assert_array_equal(held, solver.net.params["fc"][0].data)
    solver.net.params["fc"][0].data[...] = 5
    assert (held == 5).all()


def test_statistics_that_are_held_are_kept_up():
    net = make_net(TRAINED)
    mean, _, weight = held = [blob.data for blob in net.params["bn"]]
    for passes in (1, 2):
        net.forward(x=X)
        features = X @ net.params["fc"][0].data.T
        decay = 0.999
        factor = 1 if passes == 1 else 1 + decay
        np.testing.assert_allclose(mean, factor * features.mean(0), rtol=1e-4, atol=1e-6)
        assert weight[0] == pytest.approx(factor)
    assert all(array is blob.data for array, blob in zip(held, net.params["bn"]))


def test_a_diff_written_before_a_forward_pass_is_not_lost():
    net = make_net("""force_backward: true
    layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
    layer { name: "fc" type: "InnerProduct" bottom: "x" top: "y"
      inner_product_param { num_output: 3 weight_filler { type: "constant" value: 1 } } }
    layer { name: "relu" type: "ReLU" bottom: "y" top: "y" }""")
    diff = net.blobs["y"].diff
    diff[...] = 1
    net.forward(x=np.ones((2, 3)))
    assert (diff == 1).all()
    net.backward()
    assert (net.blobs["x"].diff == 3).all()


def test_a_diff_of_one_user_may_be_changed_without_that_of_the_blob():
    """Only one of the layers that read "fc" has a gradient for it."""
    net = make_net("""
    layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 6 dim: 4 } } }
    layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 6 } } }
    layer { name: "fc" type: "InnerProduct" bottom: "x" top: "fc"
      inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
    layer { name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy" }""")
    net.forward(x=X, label=np.zeros(6))
    net.backward()
    (user,) = (name for name in net.bottom_names["loss"] if name.startswith("fc"))
    before = net.blobs["fc"].diff.copy()
    assert before.any()
    net.blobs[user].diff[...] = 0
    np.testing.assert_array_equal(net.blobs["fc"].diff, before)


def test_arrays_stay_live_when_a_blob_is_reshaped_to_as_many_values():
    blob = torchcaffe.Blob((2, 3), torchcaffe.core.device.current_device())
    array = blob.data
    blob.reshape(3, 2)
    array[...] = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(blob.tensor().cpu(), np.arange(6).reshape(3, 2))
    blob.data[2, 1] = 50
    assert array[1, 2] == 50


def test_layers_that_share_values_in_other_shapes_show_the_same_numbers():
    net = make_net("""
    layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 4 } } }
    layer { name: "one" type: "InnerProduct" bottom: "x" top: "a" param { name: "w" }
      inner_product_param { num_output: 2 bias_term: false weight_filler { type: "xavier" } } }
    layer { name: "two" type: "InnerProduct" bottom: "x" top: "b"
      param { name: "w" share_mode: PERMISSIVE }
      inner_product_param { num_output: 2 bias_term: false transpose: true } }""")
    one, two = (net.params[name][0].data for name in ("one", "two"))
    one[...] = np.arange(8).reshape(2, 4)
    np.testing.assert_array_equal(two, np.arange(8).reshape(4, 2))
    two[0, 0] = 10
    x = np.eye(4)[:2]
    tops = net.forward(x=x)
    np.testing.assert_array_equal(tops["a"], x @ one.T)
    np.testing.assert_array_equal(tops["b"], x @ two)
    assert one[0, 0] == 10


def test_gradients_edited_in_a_callback_are_those_of_the_update():
    solver = make_solver()
    weights = solver.net.params["fc"][0]
    before = weights.data.copy()

    def edit():
        weights.diff[...] = 1

    solver.add_callback(lambda: None, edit)
    solver.step(1)
    np.testing.assert_allclose(weights.data, before - 0.01, rtol=1e-5, atol=1e-6)


def test_arrays_that_are_let_go_of_leave_nothing_behind():
    """Only what is held costs a copy: a blob read once is swapped again in the next pass."""
    net = make_net(TRAINED)
    net.forward(x=X)
    assert net.blobs["loss"].data.shape == ()
    assert not net.blobs["loss"].data_held
    assert not net.blobs["x"].data_held


@pytest.mark.parametrize(
    "change",
    [lambda blob: blob.reshape(3), lambda blob: blob.free_data(lambda: torch.ones(2))],
    ids=["other shape", "freed"],
)
def test_a_mark_of_values_is_not_that_of_others(change):
    blob = torchcaffe.Blob([2])
    mark = blob.data_mark()
    assert mark is not None and blob.data_mark() == mark
    change(blob)
    assert blob.data_mark() != mark
