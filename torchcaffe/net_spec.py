"""pycaffe's `net_spec`: nets written as Python (see `caffeformat.net_spec`)."""

from caffeformat import NetSpec, layers, params, to_proto
from caffeformat.net_spec import LayerCall as Function
from caffeformat.net_spec import Layers, Parameters, Top, assign_proto, param_name_dict

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
