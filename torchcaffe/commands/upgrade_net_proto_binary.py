"""Upgrades a caffemodel in an old format to the current one, as Caffe's tool does."""

from __future__ import annotations

from caffeformat import FormatError, atomic_write, pb, read_bytes, upgrade_net

from .flags import Flag, Flags
from .main import expect_arguments
from .upgrading import log_notes, log_written

USAGE = "OLD_CAFFEMODEL NEW_CAFFEMODEL"
FLAGS: list[Flag] = []


def run(flags: Flags, arguments: list[str]) -> None:
    """Read, upgrade and write; weights stay as they are stored."""
    expect_arguments(arguments, f"torchcaffe upgrade_net_proto_binary {USAGE}", 2)
    source, target = arguments
    net = _parse(source)
    log_notes(source, upgrade_net(net))
    with atomic_write(target) as file:
        file.write(net.SerializePartialToString())
    log_written("upgrade_net_proto_binary.cpp:48", "NetParameter binary", target)


def _parse(path: str) -> pb.NetParameter:
    net = pb.NetParameter()
    try:
        net.ParseFromString(read_bytes(path))
    except Exception as error:  # protobuf's own error class differs between its releases
        raise FormatError(path, f"cannot be read as a caffemodel: {error}") from None
    if not (net.layer or net.layers):
        raise FormatError(path, "it has no layers, so it is not a caffemodel")
    return net
