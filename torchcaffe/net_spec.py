"""pycaffe's `net_spec`: nets written as Python (see `caffeformat.net_spec`)."""

from caffeformat import NetSpec, layers, params, to_proto

__all__ = ["NetSpec", "layers", "params", "to_proto"]
