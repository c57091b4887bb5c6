"""pycaffe's `net_spec`: nets declared in Python (see `caffeformat.messages.net_spec`)."""

from __future__ import annotations

from caffeformat import NetSpec, layers, params, to_proto
from caffeformat.messages import LayerCall as Function
from caffeformat.messages import Layers, Parameters, Top, assign_proto, param_name_dict

__all__ = [
    "Function",
    "Layers",
    "NetSpec",
    "Parameters",
    "Top",
    "assign_proto",
    "layers",
    "param_name_dict",
    "params",
    "to_proto",
]
