"""pycaffe's `draw`: pictures of nets (see `caffeformat.drawing`), with no need for Graphviz.

draw_net_to_file(net_param, "net.svg", rankdir="TB", phase=caffe.TEST)
"""

import os

from caffeformat import InputError, draw_network, filter_net, pb, upgrade_net
from caffeformat.files import atomic_write


def draw_net(caffe_net, rankdir, ext="png", phase=None, display_lrm=False):
    """The picture of a NetParameter as bytes; `ext` is svg, png, pdf, or dot or raw for DOT text.

    `rankdir` is LR, RL, TB or BT; `phase` (TRAIN or TEST) leaves the layers of that phase only;
    `display_lrm` shows learning-rate multipliers.
    """
    net = pb.NetParameter.FromString(caffe_net.SerializeToString())
    upgrade_net(net)
    if phase is not None:
        net = filter_net(net, phase)
    drawing = draw_network(net, rankdir=rankdir, display_lrm=display_lrm)
    return drawing.encode("dot" if ext == "raw" else ext)


def draw_net_to_file(caffe_net, filename, rankdir="LR", phase=None, display_lrm=False):
    """Write the picture of a NetParameter, in the format of the name's ending (see `draw_net`)."""
    ext = os.path.splitext(os.fspath(filename))[1][1:].lower()
    content = draw_net(caffe_net, rankdir, ext, phase, display_lrm)
    with atomic_write(filename, "wb") as file:
        file.write(content)


def get_pydot_graph(caffe_net, rankdir, label_edges=True, phase=None, display_lrm=False):
    """The graph as a pydot object, with the boxes of our pictures, where pydot is installed.

    `label_edges` is taken for pycaffe's sake: blobs are named where a layer has several tops.
    """
    try:
        import pydot
    except ImportError:
        raise InputError(
            "get_pydot_graph needs the package pydot, which is not installed; draw_net and "
            "draw_net_to_file do without"
        ) from None
    text = draw_net(caffe_net, rankdir, "dot", phase, display_lrm).decode("utf-8")
    return pydot.graph_from_dot_data(text)[0]
