"""Upgrades a net's prototxt in an old format to the current one, as Caffe's tool does."""

from __future__ import annotations

from caffeformat import pb, upgrade_net

from .flags import Flag, Flags
from .main import expect_arguments
from .upgrading import upgrade_text

USAGE = "OLD_NET NEW_NET"
FLAGS: list[Flag] = []


def run(flags: Flags, arguments: list[str]) -> None:
    """Upgrade the net; one that is current is written as it is."""
    expect_arguments(arguments, f"torchcaffe upgrade_net_proto_text {USAGE}", 2)
    source, target = arguments
    place = "upgrade_net_proto_text.cpp:49"
    upgrade_text(source, target, pb.NetParameter, upgrade_net, place)
