"""Nets and parameters in the form that other frameworks use.

`value_graph` turns a net into values that are computed once; `to_tensors` and `from_tensors` name
the parameters of its layers as PyTorch does.
"""

from __future__ import annotations

from .padding import has_whole_windows, trailing_pad
from .registry import Registry
from .tensor_names import (
    from_tensors,
    identifier,
    module_names,
    statistics,
    to_tensors,
)
from .value_graph import Graph, Node, bottom_shapes, needed_net, scales_of_norms, value_graph

__all__ = [
    "Graph",
    "Node",
    "Registry",
    "bottom_shapes",
    "from_tensors",
    "has_whole_windows",
    "identifier",
    "module_names",
    "needed_net",
    "scales_of_norms",
    "statistics",
    "to_tensors",
    "trailing_pad",
    "value_graph",
]
