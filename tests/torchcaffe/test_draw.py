"""pycaffe's draw: bytes and files of pictures."""

import importlib.util

import pytest

import torchcaffe as caffe
from caffeformat import InputError, parse_text
from torchcaffe import draw
from torchcaffe.proto import caffe_pb2

NET = """
layers { name: "data" type: DATA top: "data" top: "label" include { phase: TRAIN } }
layers { name: "fc" type: INNER_PRODUCT bottom: "data" top: "fc" blobs_lr: 3
  inner_product_param { num_output: 5 } }
"""


def test_nets_of_any_age_and_phase_are_drawn(tmp_path):
    net = parse_text(NET, caffe_pb2.NetParameter)
    before = net.SerializeToString()
    assert draw.draw_net(net, "LR").startswith(b"\x89PNG")
    trained = draw.draw_net(net, "TB", "svg", caffe.TRAIN, display_lrm=True)
    tested = draw.draw_net(net, "TB", "svg", phase=caffe.TEST)
    assert b"Data" in trained and b"lr \xc3\x97 3" in trained and b">Data<" not in tested
    assert net.SerializeToString() == before
    draw.draw_net_to_file(net, str(tmp_path / "net.raw"))
    assert (tmp_path / "net.raw").read_text().startswith("digraph")
    with pytest.raises(InputError, match="gif"):
        draw.draw_net_to_file(net, tmp_path / "net.gif")
    with pytest.raises(InputError, match="rankdir"):
        draw.draw_net(net, "down")


@pytest.mark.skipif(importlib.util.find_spec("pydot") is not None, reason="pydot is installed")
def test_pydot_graphs_need_pydot():
    net = parse_text(NET, caffe_pb2.NetParameter)
    with pytest.raises(InputError, match="pydot"):
        draw.get_pydot_graph(net, "LR")
