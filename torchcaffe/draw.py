"""pycaffe's `draw`: pictures of nets, without Graphviz (see `caffeformat.drawing`).

draw_net_to_file(net_param, "net.svg", rankdir="TB", phase=caffe.TEST)
"""

from __future__ import annotations

import importlib
import os
from typing import Any

from caffeformat import InputError, atomic_write, draw_network, filter_net, pb, upgrade_net


def draw_net(
    caffe_net: pb.NetParameter,
    rankdir: str,
    ext: str = "png",
    phase: int | None = None,
    display_lrm: bool = False,
) -> bytes:
    """Draw a NetParameter; returns a file with ending `ext`: svg, png or pdf, or dot or raw (DOT).

    `rankdir` is LR, RL, TB or BT; `phase` (TRAIN or TEST) keeps the layers of that phase only;
    `display_lrm` shows learning rate multipliers.
    """
    net = pb.NetParameter.FromString(caffe_net.SerializeToString())
    upgrade_net(net)
    if phase is not None:
        net = filter_net(net, phase)
    drawing = draw_network(net, rankdir=rankdir, display_lrm=display_lrm)
    return drawing.encode("dot" if ext == "raw" else ext)


def draw_net_to_file(
    caffe_net: pb.NetParameter,
    filename: str | os.PathLike[str],
    rankdir: str = "LR",
    phase: int | None = None,
    display_lrm: bool = False,
) -> None:
    """Draw a NetParameter to a file, in the format of the name's ending (see `draw_net`)."""
    ext = os.path.splitext(os.fspath(filename))[1][1:].lower()
    content = draw_net(caffe_net, rankdir, ext, phase, display_lrm)
    with atomic_write(filename, "wb") as file:
        file.write(content)


def get_pydot_graph(
    caffe_net: pb.NetParameter,
    rankdir: str,
    label_edges: bool = True,
    phase: int | None = None,
    display_lrm: bool = False,
) -> Any:
    """Make a pydot graph with the boxes of `draw_net`, if pydot is installed.

    `label_edges` is accepted as in pycaffe, and ignored: blobs are named where a layer has several
    tops.
    """
    try:
        pydot = importlib.import_module("pydot")
    except ImportError:
        raise InputError(
            "get_pydot_graph needs the package pydot, which is not installed; draw_net and "
            "draw_net_to_file work without it"
        ) from None
    text = draw_net(caffe_net, rankdir, "dot", phase, display_lrm).decode("utf-8")
    return pydot.graph_from_dot_data(text)[0]
