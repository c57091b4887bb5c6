"""The layers a phase, level and stages leave, and Caffe's Split layers by Caffe's names."""

import pytest

from caffeformat import InputError, filter_net, insert_splits, parse_text, pb


def _net(text):
    return parse_text(text, pb.NetParameter)


RULES = """
layer { name: "always" }
layer { name: "train" include { phase: TRAIN } }
layer { name: "not_train" exclude { phase: TRAIN } }
layer { name: "val" include { phase: TEST stage: "val" } }
layer { name: "not_deploy" include { not_stage: "deploy" } }
layer { name: "either" include { stage: "a" stage: "b" } include { min_level: 2 max_level: 3 } }
"""


@pytest.mark.parametrize(
    "phase, level, stages, kept",
    [
        (pb.TRAIN, 0, (), "always train not_deploy"),
        (pb.TEST, 0, (), "always not_train not_deploy"),
        (pb.TEST, 0, ("val",), "always not_train val not_deploy"),
        (pb.TEST, 0, ("deploy",), "always not_train"),
        (pb.TRAIN, 2, (), "always train not_deploy either"),
        (pb.TRAIN, 4, ("a",), "always train not_deploy"),
        (pb.TRAIN, 4, ("a", "b"), "always train not_deploy either"),
    ],
)
def test_rules_choose_layers(phase, level, stages, kept):
    net = filter_net(_net(RULES), phase, level, stages)
    assert [layer.name for layer in net.layer] == kept.split()
    assert (net.state.phase, net.state.level, tuple(net.state.stage)) == (phase, level, stages)


def test_stages_of_the_net_itself_count():
    net = _net('state { stage: "val" }' + RULES)
    assert "val" in [layer.name for layer in filter_net(net, pb.TEST).layer]


def test_include_beside_exclude_is_refused():
    net = _net('layer { name: "both" include { phase: TRAIN } exclude { stage: "x" } }')
    with pytest.raises(InputError, match='"both"'):
        filter_net(net, pb.TRAIN)


def test_a_shared_blob_is_split_and_in_place_layers_make_a_new_one():
    net = insert_splits(
        _net("""
        layer { name: "in" top: "x" top: "label" }
        layer { name: "relu" bottom: "x" top: "x" }
        layer { name: "a" bottom: "x" top: "a" }
        layer { name: "b" bottom: "x" bottom: "a" top: "b" }
        """)
    )
    assert [layer.name for layer in net.layer] == ["in", "relu", "x_relu_0_split", "a", "b"]
    split = net.layer[2]
    assert split.type == "Split" and list(split.bottom) == ["x"]
    assert list(split.top) == ["x_relu_0_split_0", "x_relu_0_split_1"]
    assert list(net.layer[3].bottom) == ["x_relu_0_split_0"]
    assert list(net.layer[4].bottom) == ["x_relu_0_split_1", "a"]


def test_a_loss_weight_moves_onto_the_split():
    net = insert_splits(
        _net("""
        layer { name: "in" top: "x" top: "y" }
        layer { name: "loss" bottom: "x" bottom: "y" top: "l" loss_weight: 2 }
        layer { name: "twice" bottom: "l" top: "m" }
        """)
    )
    loss, split, twice = net.layer[1:]
    assert not loss.loss_weight and list(split.loss_weight) == [2, 0]
    assert list(split.top) == ["l_loss_0_split_0", "l_loss_0_split_1"]
    assert list(twice.bottom) == ["l_loss_0_split_1"]


@pytest.mark.parametrize(
    "text, words",
    [
        (
            'layer { name: "a" top: "x" } layer { name: "b" top: "x" }',
            '"b": its top "x" is already the top of layer "a"',
        ),
        (
            'layer { name: "a" top: "x" } layer { name: "b" bottom: "x" top: "y" }'
            'layer { name: "relu" bottom: "x" top: "x" }',
            '"relu": changes "x" of layer "a" in place',
        ),
    ],
)
def test_blobs_that_two_layers_claim(text, words):
    with pytest.raises(InputError, match=words):
        insert_splits(_net(text))


def test_a_wrong_bottom_names_the_layer_and_the_nearest_blob():
    net = _net('layer { name: "in" top: "pool5" } layer { name: "fc" bottom: "pol5" top: "fc" }')
    with pytest.raises(InputError, match=r'"fc".*"pol5".*Did you mean "pool5"'):
        insert_splits(net)
