"""Nets as value graphs, and parameters under other frameworks' names."""

from .padding import trailing_pad
from .registry import Registry
from .tensor_names import from_tensors, identifier, module_names, statistics, to_tensors
from .value_graph import Graph, Node, scales_of_norms, value_graph

__all__ = [
    "Graph",
    "Node",
    "Registry",
    "from_tensors",
    "identifier",
    "module_names",
    "scales_of_norms",
    "statistics",
    "to_tensors",
    "trailing_pad",
    "value_graph",
]
