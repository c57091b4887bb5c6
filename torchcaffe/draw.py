"""pycaffe's `draw`: pictures of nets, without Graphviz (see `caffeformat.drawing`).

draw_net_to_file(net_param, "net.svg", rankdir="TB", phase=caffe.TEST)
"""

from __future__ import annotations

import importlib
import os
from typing import Any

from caffeformat import InputError, atomic_write, draw_network, filter_net, pb, upgrade_net

# Graphviz styles of pycaffe's pictures, for scripts that use them with graphs of their own
LAYER_STYLE_DEFAULT = {"shape": "record", "fillcolor": "#6495ED", "style": "filled"}
NEURON_LAYER_STYLE = {"shape": "record", "fillcolor": "#90EE90", "style": "filled"}
BLOB_STYLE = {"shape": "octagon", "fillcolor": "#E0E0E0", "style": "filled"}
_COLORS = {
    "Convolution": "#FF5050",
    "Deconvolution": "#FF5050",
    "Pooling": "#FF9900",
    "InnerProduct": "#CC33FF",
}
_LEARNING = ("Convolution", "Deconvolution", "InnerProduct")


def choose_color_by_layertype(layertype: str) -> str:
    """Return pycaffe's color of a layer type."""
    return _COLORS.get(layertype, LAYER_STYLE_DEFAULT["fillcolor"])


def get_pooling_types_dict() -> dict[int, str]:
    """Return number -> name of the pooling methods."""
    return {number: name for name, number in pb.PoolingParameter.PoolMethod.items()}


def get_edge_label(layer: pb.LayerParameter) -> str:
    """Return what pycaffe writes on the edges that leave a layer: its batch size or outputs."""
    if layer.type == "Data":
        return f"Batch {layer.data_param.batch_size}"
    if layer.type == "InnerProduct":
        return str(layer.inner_product_param.num_output)
    return str(layer.convolution_param.num_output) if layer.type in _LEARNING else '""'


def get_layer_lr_mult(layer: pb.LayerParameter) -> tuple[float, float]:
    """Return the learning rate multipliers of a layer's weights and biases."""
    if layer.type not in _LEARNING:
        raise ValueError(f"{layer.type} layers do not have a learning rate multiplier")
    if len(layer.param) > 2:
        raise ValueError(f'layer "{layer.name}": {len(layer.param)} param entries; expected 0 to 2')
    first, second = [*(param.lr_mult for param in layer.param), 1.0, 1.0][:2]
    return first, second


def get_layer_label(layer: pb.LayerParameter, rankdir: str, display_lrm: bool = False) -> str:
    """Return pycaffe's label of a layer, in double quotes: name, type, window and multipliers."""
    separator = " " if rankdir in ("TB", "BT") else r"\n"
    parts = [layer.name, f"({layer.type})"]
    param: pb.PoolingParameter | pb.ConvolutionParameter | None = None
    if layer.type == "Pooling":
        param = layer.pooling_param
        parts[1] = f"({layer.type} {get_pooling_types_dict()[param.pool]})"
    elif layer.type in ("Convolution", "Deconvolution"):
        param = layer.convolution_param
    if param is not None:
        found = (param.kernel_size, param.stride, param.pad)
        kernel, stride, pad = (
            value if isinstance(value, int) else next(iter(value), default)
            for value, default in zip(found, (1, 1, 0))
        )
        parts.append(separator.join((f"kernel size: {kernel}", f"stride: {stride}", f"pad: {pad}")))
    if display_lrm and layer.type in _LEARNING and any(get_layer_lr_mult(layer)):
        parts.append("lr mult: {:.1f}, {:.1f}".format(*get_layer_lr_mult(layer)))
    return f'"{separator.join(parts)}"'


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
