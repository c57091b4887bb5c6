"""Weights of other frameworks, read without them and converted for Caffe."""

from .networks.convert import convert, network_name
from .reading import read_state_dict

__all__ = [
    "convert",
    "network_name",
    "read_state_dict",
]
