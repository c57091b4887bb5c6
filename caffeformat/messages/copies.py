"""Copies of nets that get other layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import pb


def without_layers(net: pb.NetParameter) -> pb.NetParameter:
    """A copy of `net` with all but its layers, to be filled with others."""
    copy = type(net)()
    copy.CopyFrom(net)
    del copy.layer[:]
    return copy
