"""Weights of other frameworks: read without those frameworks, and converted for Caffe."""

from __future__ import annotations

from .networks.convert import Converted, convert, network_name
from .reading import check_safetensors, read_state_dict

__all__ = [
    "Converted",
    "check_safetensors",
    "convert",
    "network_name",
    "read_state_dict",
]
