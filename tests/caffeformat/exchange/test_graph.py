"""A net as a graph of values, and its parameters under the names of other frameworks."""

import numpy as np
import pytest

from caffeformat import InputError, Weights, insert_splits, parse_text, pb
from caffeformat.exchange import (
    from_tensors,
    module_names,
    scales_of_norms,
    to_tensors,
    value_graph,
)

NET = """
layer { name: "data" type: "Input" top: "data" top: "label" }
layer { name: "3x3/a" type: "Convolution" bottom: "data" top: "a" }
layer { name: "norm" type: "BatchNorm" bottom: "a" top: "a" }
layer { name: "scale" type: "Scale" bottom: "a" top: "a" scale_param { bias_term: true } }
layer { name: "3x3_a" type: "ReLU" bottom: "a" top: "a" }
layer { name: "train" type: "InnerProduct" bottom: "a" top: "b"
  inner_product_param { transpose: true bias_term: false } }
layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "c" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "c" bottom: "label" top: "loss" }
"""


@pytest.fixture
def net():
    return parse_text(NET, pb.NetParameter)


def test_every_value_has_one_maker_and_splits_are_gone(net):
    for form in (net, insert_splits(net)):
        graph = value_graph(form, ["c"])
        assert graph.inputs == ["data", "label"]
        assert graph.outputs == ["c"]
        assert [(node.layer.name, node.inputs, node.outputs) for node in graph.nodes] == [
            ("3x3/a", ["data"], ["a.3x3/a"]),
            ("norm", ["a.3x3/a"], ["a.norm"]),
            ("scale", ["a.norm"], ["a.scale"]),
            ("3x3_a", ["a.scale"], ["a"]),
            ("train", ["a"], ["b"]),
            ("sum", ["a", "b"], ["c"]),
        ]


def test_outputs_are_the_blobs_that_no_layer_uses(net):
    del net.layer[-1]
    assert value_graph(net).outputs == ["c"]
    with pytest.raises(InputError, match='"d"'):
        value_graph(net, ["d"])


def test_layers_that_no_output_needs_are_left_out(net):
    assert [node.layer.name for node in value_graph(net, ["a"]).nodes][-1] == "3x3_a"


def test_a_net_of_losses_alone_has_no_output(net):
    with pytest.raises(InputError, match="no output"):
        value_graph(net)


def test_an_overwritten_input_keeps_its_name():
    text = 'layer { name: "i" type: "Input" top: "x" }'
    text += 'layer { name: "r" type: "ReLU" bottom: "x" top: "x" }'
    graph = value_graph(parse_text(text, pb.NetParameter))
    assert (graph.inputs, graph.outputs) == (["x"], ["x.r"])


def test_names_are_identifiers_and_each_another(net):
    assert list(module_names(value_graph(net, ["c"])).values()) == [
        "_3x3_a", "norm", "scale", "_3x3_a_", "train_", "sum",
    ]  # fmt: skip


def test_a_scale_that_others_look_past_stays_by_itself(net):
    assert list(scales_of_norms(value_graph(net, ["c"]))) == ["norm"]
    for layer in net.layer[3:5]:
        layer.bottom[0] = layer.top[0] = "s"
    net.layer[3].bottom[0] = "a"
    assert not scales_of_norms(value_graph(net, ["c"]))


def test_parameters_go_and_come_back(net):
    graph = value_graph(net, ["c"])
    random = np.random.RandomState(0)
    sums = [random.rand(n).astype(np.float32) for n in (2, 2, 1)]
    weights = Weights(
        {
            "3x3/a": [random.rand(2, 3, 1, 1).astype(np.float32), np.ones(2, np.float32)],
            "norm": sums,
            "scale": [np.full(2, 3, np.float32), np.full(2, 4, np.float32)],
            "train": [random.rand(2, 5).astype(np.float32)],
        }
    )
    tensors = to_tensors(graph, weights)
    assert list(tensors) == [
        "_3x3_a.weight", "_3x3_a.bias", "norm.running_mean", "norm.running_var", "norm.weight",
        "norm.bias", "train_.weight",
    ]  # fmt: skip
    assert tensors["train_.weight"].shape == (5, 2)
    np.testing.assert_allclose(tensors["norm.running_var"], sums[1] / sums[2], rtol=1e-6)

    back = from_tensors(graph, tensors, {"norm": sums})
    assert list(back) == list(weights)
    for name, blobs in weights.items():
        for ours, blob in zip(back[name], blobs):
            np.testing.assert_array_equal(ours, blob)
    # Sums that stand for other statistics than the tensors are not taken.
    tensors["norm.running_mean"] = tensors["norm.running_mean"] + 1
    assert from_tensors(graph, tensors, {"norm": sums})["norm"][2] == 1


def test_layers_without_their_blobs_are_named(net):
    with pytest.raises(InputError, match='layer "3x3/a"'):
        to_tensors(value_graph(net, ["c"]), Weights())
    with pytest.raises(InputError, match=r'layer "3x3/a".*"_3x3_a\.weight"'):
        from_tensors(value_graph(net, ["c"]), {})


def test_a_batch_norm_that_saw_nothing_has_mean_and_variance_0(net):
    text = 'layer { name: "i" type: "Input" top: "x" }'
    text += 'layer { name: "n" type: "BatchNorm" bottom: "x" top: "y" }'
    blobs = [np.ones(2, np.float32), np.ones(2, np.float32), np.zeros(1, np.float32)]
    tensors = to_tensors(value_graph(parse_text(text, pb.NetParameter)), {"n": blobs})
    assert all(not array.any() for array in tensors.values())
