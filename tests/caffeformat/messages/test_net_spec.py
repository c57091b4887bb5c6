"""Nets written as Python come out as the layers that pycaffe's net_spec would give."""

import pytest

from caffeformat import InputError, NetSpec, format_text, parse_text, pb, to_proto
from caffeformat import layers as L
from caffeformat import params as P


def test_layers_are_named_after_their_attributes():
    n = NetSpec()
    n.data, n.label = L.Data(ntop=2, batch_size=4, backend=P.Data.LMDB, include={"phase": pb.TRAIN})
    n.conv1 = L.Convolution(
        n.data, kernel_size=3, num_output=2, param=[{"lr_mult": 1}, {"lr_mult": 2}], pad=[1, 0]
    )
    n.relu1 = L.ReLU(n.conv1, in_place=True)
    n.pool1 = L.Pooling(n.relu1, pool=P.Pooling.AVE, global_pooling=True)
    n.loss = L.SoftmaxWithLoss(n.pool1, n.label, loss_param={"ignore_label": 255}, loss_weight=2)
    expected = """
    layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
            data_param { batch_size: 4 backend: LMDB } }
    layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
            param { lr_mult: 1 } param { lr_mult: 2 }
            convolution_param { num_output: 2 pad: 1 pad: 0 kernel_size: 3 } }
    layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
    layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
            pooling_param { pool: AVE global_pooling: true } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "pool1" bottom: "label" top: "loss"
            loss_weight: 2 loss_param { ignore_label: 255 } }
    """
    assert n.to_proto() == parse_text(expected, pb.NetParameter)
    assert format_text(n.to_proto()) == format_text(n.to_proto())


def test_unnamed_tops_are_numbered_by_type():
    first = L.ReLU(L.DummyData(shape={"dim": [1, 2]}))
    net = to_proto(L.Eltwise(first, L.ReLU(first), operation=P.Eltwise.MAX))
    assert [layer.name for layer in net.layer] == ["DummyData1", "ReLU1", "ReLU2", "Eltwise1"]
    assert list(net.layer[3].bottom) == ["ReLU1", "ReLU2"]


def test_names_and_layers_without_tops():
    n = NetSpec()
    n["data"] = L.Input(shape={"dim": [1]})
    n.shifted = L.Power(n["data"], name="shift", shift=1)
    n.nothing = L.Silence(n.shifted, ntop=0)
    net = n.to_proto()
    assert [(x.name, list(x.top)) for x in net.layer] == [
        ("data", ["data"]),
        ("shift", ["shifted"]),
        ("nothing", []),
    ]
    assert net.layer[1].power_param.shift == 1


def test_a_deleted_top_is_gone_unless_it_is_needed():
    n = NetSpec()
    n.a = L.Input()
    n.b = L.ReLU(n.a)
    del n.a
    assert [layer.name for layer in n.to_proto().layer] == ["Input1", "b"]
    with pytest.raises(AttributeError, match='no top "a"'):
        n.a  # noqa: B018


def test_long_chains_are_no_problem():
    top = L.Input()
    for _ in range(3000):
        top = L.ReLU(top)
    assert len(to_proto(top).layer) == 3001


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"num_outputs": 2}, 'layer "c" .*has no field "num_outputs"'),
        ({"weight_filler": {"tpye": "xavier"}}, 'Did you mean "type"'),
        ({"kernel_size": "3"}, "kernel_size"),
        ({"num_output": -1}, "num_output"),
        ({"num_output": 8.0}, "num_output: 8.0 is a float; write //"),
    ],
)
def test_wrong_settings_name_the_layer(settings, words):
    n = NetSpec()
    n.c = L.Convolution(L.Input(), **settings)
    with pytest.raises(InputError, match=words):
        n.to_proto()


def test_only_tops_are_bottoms():
    with pytest.raises(TypeError, match="ReLU input 0 is not a Top"):
        L.ReLU("data")
    net = NetSpec()
    net.x = 3
    with pytest.raises(TypeError, match='"x" is a int'):
        net.to_proto()


def test_anything_may_be_assigned_and_replaced():
    net = NetSpec()
    net["data"] = L.DummyData(ntop=2)
    net.data, net.label = net["data"]
    assert [list(layer.top) for layer in net.to_proto().layer] == [["data", "label"]]


def test_of_two_names_the_last_counts():
    net = NetSpec()
    net.first = L.Input()
    net.scores = net.first
    net.loss = L.Silence(net.first, ntop=0)
    layers = net.to_proto().layer
    assert [layer.name for layer in layers] == ["scores", "loss"]
    assert layers[1].bottom == ["scores"]


def test_a_missing_top_is_a_key_error_too():
    for missing in (lambda: NetSpec().gone, lambda: NetSpec()["gone"]):
        for kind in (AttributeError, KeyError):
            with pytest.raises(kind, match=r'^no top "gone" in this net'):
                missing()
    assert not hasattr(NetSpec(), "gone")
    with pytest.raises(KeyError, match='no top "None"'):
        NetSpec()[None]


def test_layers_are_listed_and_changed_by_name():
    net = NetSpec()
    net.data = L.Input(shape={"dim": [1, 3, 8, 8]})
    net["conv"] = L.Convolution(net.data, num_output=2, kernel_size=3)
    net.update("conv", {"dilation": 2, "param": [{"lr_mult": 0}]})
    assert net.keys() == ["data", "conv"] and net.vals() == [net.data, net.conv]
    layer = net.to_proto().layer[1]
    assert list(layer.convolution_param.dilation) == [2] and layer.param[0].lr_mult == 0
