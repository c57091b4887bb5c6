"""Upgrades a net's prototxt in an old format to the current one, as Caffe's tool does."""

from __future__ import annotations

from caffeformat import pb, upgrade_net

from .flags import Flag
from .upgrading import text_upgrade

USAGE = "OLD_NET NEW_NET"
FLAGS: list[Flag] = []
run = text_upgrade("upgrade_net_proto_text", USAGE, pb.NetParameter, upgrade_net)
