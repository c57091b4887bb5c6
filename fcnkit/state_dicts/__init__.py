"""Weights of other frameworks: read without those frameworks, and converted for Caffe."""

from __future__ import annotations

from .networks.convert import Converted, convert, network_name
from .reading import read_state_dict

__all__ = [
    "Converted",
    "convert",
    "network_name",
    "read_state_dict",
]
