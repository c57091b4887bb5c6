"""Nets as plain `torch.nn.Module`s, and a module's parameters as those of a caffemodel.

The module is a `torch.fx.GraphModule`: its submodules are torch's own layers, named after Caffe's,
and its `forward` is generated Python (`print(module.code)`) in which no size is fixed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from caffeformat import InputError, filter_net, infer_shapes, pb, read_caffemodel
from caffeformat.exchange import (
    bottom_shapes,
    from_tensors,
    identifier,
    module_names,
    needed_net,
    scales_of_norms,
    to_tensors,
    value_graph,
)

from .builders import BUILDERS, Place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caffeformat import Weights
    from caffeformat.exchange import Graph, Node
    from torchcaffe.nets import Net

    Arrays = Mapping[str, NDArray[np.float32]]


def to_module(
    net: Net | pb.NetParameter,
    weights: Weights | str | os.PathLike[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> torch.fx.GraphModule:
    """Build the plain module that computes what `net` computes at test time.

    `net` is a `Net`, or a current NetParameter with `weights` (a `Weights` or a caffemodel's path).
    The module, in eval mode, takes the net's inputs in their order and returns the value of its
    only output, or a dict of name -> value; `outputs` names other blobs than those that no layer
    uses. Inputs may have any size that the layers allow. Raises `InputError`, naming the layer, for
    layers that have no counterpart.
    """
    if isinstance(net, pb.NetParameter):
        message = net
    else:
        message, weights = net.message, net.weights() if weights is None else weights
    message = filter_net(message, pb.TEST)
    if weights is None:
        raise InputError("a NetParameter has no weights of its own: pass weights as well")
    if isinstance(weights, (str, os.PathLike)):
        weights = read_caffemodel(weights)
    graph = value_graph(message, outputs)
    tensors = to_tensors(graph, weights)
    shapes = infer_shapes(needed_net(message, outputs))
    module = _Assembly(graph, shapes, tensors).finish(message.name)
    state = {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}
    for name, _ in module.named_buffers():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(0)
    try:
        module.load_state_dict(state, assign=True)
    except RuntimeError as error:  # sizes other than those of the net's layers
        reason = " ".join(str(error).split())
        raise InputError(f"these are the weights of another net: {reason}") from None
    return module.eval()


def from_module(net: Net | pb.NetParameter, module: torch.nn.Module) -> Weights:
    """Collect the `Weights` for `net` from a module that `to_module` made of it."""
    return from_state_dict(net, module.state_dict())


def from_state_dict(
    net: Net | pb.NetParameter,
    state: Mapping[str, torch.Tensor | NDArray[np.float32]],
    outputs: Sequence[str] | None = None,
) -> Weights:
    """Collect the `Weights` for `net` from tensors or arrays named as in `to_module`'s state dict.

    Tensors may be of any floating-point type (including bfloat16, as `torch.load` returns them).
    Raises `InputError` if one is missing. BatchNorm's blobs become mean, variance and 1.
    """
    message = net if isinstance(net, pb.NetParameter) else net.message
    arrays = {
        name: value.detach().cpu().float().numpy() if torch.is_tensor(value) else value
        for name, value in state.items()
    }
    weights = from_tensors(value_graph(filter_net(message, pb.TEST), outputs), arrays)
    weights.name = message.name
    return weights


def apply(module: torch.nn.Module, *arrays: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Run a module of `to_module` on arrays, without gradients; returns a list of its outputs."""
    with torch.no_grad():
        made = module(*map(torch.from_numpy, arrays))
    return [value.numpy() for value in (made.values() if isinstance(made, dict) else [made])]


class _Assembly:
    """A module under construction, built from the first node of the graph to the last."""

    def __init__(
        self, graph: Graph, shapes: Mapping[str, tuple[int, ...]], tensors: Arrays
    ) -> None:
        self._graph = graph
        self._root, self._fx = torch.nn.Module(), torch.fx.Graph()
        self._tracer = torch.fx.proxy.GraphAppendingTracer(self._fx)
        self._values = {name: self._input(name) for name in graph.inputs}
        names, scales = module_names(graph), scales_of_norms(graph)
        joined, shapes_of = {scale.name for scale in scales.values()}, bottom_shapes(graph, shapes)
        for node in graph.nodes:
            layer, name = node.layer, names[node.layer.name]
            if layer.name in joined:
                self._values[node.outputs[0]] = self._values[node.inputs[0]]
                continue
            own = {
                key.rsplit(".", 1)[1]: array
                for key, array in tensors.items()
                if key.rsplit(".", 1)[0] == name
            }
            bottoms, affine = shapes_of[layer.name], layer.name in scales
            place = Place(self._root, self._tracer, layer, name, bottoms, own, affine)
            self._add(node, place)

    def _input(self, name: str) -> torch.fx.Proxy:
        """Make a proxy for the input blob `name`.

        torch.fx copies an input's name as it is into the Python that it generates and runs. A
        prototxt may hold any text, so the argument gets a valid identifier instead, and of those
        one that fx finds unused. `self` is the first argument of every `forward`.
        """
        argument = "self_" if name == "self" else identifier(name)
        proxy = self._tracer.create_proxy("placeholder", argument, (), {})
        proxy.node.target = proxy.node.name
        return proxy

    def _add(self, node: Node, place: Place) -> None:
        if node.layer.type not in BUILDERS:
            raise place.error(
                "has no counterpart in plain PyTorch; leave it out of the net to export, or pass "
                "outputs before it"
            )
        made: Any = BUILDERS[node.layer.type](place, *(self._values[name] for name in node.inputs))
        tops = list(made) if isinstance(made, (list, tuple)) else [made]
        self._values.update(zip(node.outputs, tops))

    def finish(self, class_name: str) -> torch.fx.GraphModule:
        """Add the outputs and compile the module, whose class is named after the net."""
        outputs = {name: self._values[name].node for name in self._graph.outputs}
        self._fx.output(outputs if len(outputs) > 1 else next(iter(outputs.values())))
        self._fx.lint()
        name = "".join(part for part in class_name.title() if part.isalnum()) or "Net"
        return torch.fx.GraphModule(self._root, self._fx, name)
