"""pycaffe's calls on a whole net: many items in batches, callbacks, parts of a net, wrong names."""

import numpy as np
import pytest

pytest.importorskip("torch")

import torchcaffe as caffe
from caffeformat import InputError, parse_text, pb

TEXT = """name: "small" force_backward: true
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y"
  inner_product_param { num_output: 4 weight_filler { type: "gaussian" } } }
layer { name: "power" type: "Power" bottom: "y" top: "z" power_param { scale: 2 } }
"""


@pytest.fixture
def net():
    caffe.set_random_seed(1)
    message = parse_text(TEXT, pb.NetParameter)
    return caffe.Net(net_param=message, phase=caffe.TEST)


def numbers(*shape):
    return np.random.RandomState(sum(shape)).standard_normal(shape).astype(np.float32)


def test_any_number_of_items_goes_forward_and_back_in_batches(net):
    x, diff = numbers(5, 3), numbers(5, 4)  # two batches of two, and one item more
    found, gradients = net.forward_backward_all(["y"], ["y"], x=x, z=diff)
    weight = net.params["ip"][0].data
    assert set(found) == {"y", "z"} and set(gradients) == {"x", "y"}
    np.testing.assert_allclose(found["y"], x @ weight.T, rtol=1e-5)
    np.testing.assert_allclose(found["z"], 2 * found["y"], rtol=1e-6)
    np.testing.assert_allclose(gradients["y"], 2 * diff, rtol=1e-6)
    np.testing.assert_allclose(gradients["x"], 2 * diff @ weight, rtol=1e-5)
    np.testing.assert_array_equal(net.forward_all(x=x)["z"], found["z"])


def test_callbacks_surround_each_layer_in_the_order_of_the_pass(net):
    calls = []
    for name in ("before_forward", "after_forward", "before_backward", "after_backward"):
        getattr(net, name)(lambda index, name=name: calls.append((name, index)))
    net.forward(x=numbers(2, 3))
    assert calls == [(f"{when}_forward", i) for i in range(3) for when in ("before", "after")]
    calls.clear()
    net.backward(z=numbers(2, 4))
    backwards = [2, 1, 0]
    assert [index for name, index in calls if name == "before_backward"] == backwards
    assert [index for name, index in calls if name == "after_backward"] == backwards


def test_a_part_of_the_net_runs_on_what_its_blobs_hold(net):
    net.blobs["y"].data[...] = 3
    assert (net.forward(start="power")["z"] == 6).all()
    assert set(net.forward(end="ip", x=numbers(2, 3))) == {"y"}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda net: net.forward(start="pow"), 'there is no layer "pow" in the net "small"'),
        (
            lambda net: net.forward(["w"]),
            'no blob "w" in the net "small"; it has: x, y, z',
        ),
        (lambda net: net.forward(start="power", keep_blobs=False), "leave start out"),
        (
            lambda net: net.backward(y=numbers(2, 4)),
            r"given diffs of \['y'\]; expected \['z'\]",
        ),
        (
            lambda net: net.set_input_arrays(numbers(2, 3, 1, 1), numbers(2)),
            'the net "small" has no MemoryData layer',
        ),
        (lambda _: caffe.Net(net_param=pb.NetParameter()), "a Net needs its phase: TRAIN or TEST"),
        (lambda _: caffe.Net(phase=caffe.TEST), "needs a prototxt: the path of one, or net_param"),
    ],
)
def test_wrong_calls_say_what_is_there(net, call, words):
    with pytest.raises(InputError, match=words):
        call(net)
