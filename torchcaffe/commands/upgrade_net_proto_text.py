"""Upgrades a net's prototxt of an old form to the current one, as Caffe's tool does."""

from caffeformat import pb, read_text, upgrade_net, write_text

from . import expect_arguments
from .upgrading import log_notes, log_written

USAGE = "OLD_NET NEW_NET"
FLAGS = []


def run(flags, arguments):
    """Read, upgrade and write; a net that is current is written as it is."""
    expect_arguments(arguments, f"torchcaffe upgrade_net_proto_text {USAGE}", 2)
    source, target = arguments
    net = read_text(source, pb.NetParameter)
    log_notes(source, upgrade_net(net))
    write_text(target, net)
    log_written("upgrade_net_proto_text.cpp:49", "NetParameter text", target)
