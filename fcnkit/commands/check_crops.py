"""Compare the offset of each Crop layer of a network with the one it should have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffeformat import InputError, filter_net, pb, read_net
from fcnkit.nets import check_crops, is_right

from .arguments import basics, network
from .printing import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from fcnkit.nets import CropCheck

    from .arguments.basics import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    network.add_net(parser.input, "net")
    network.add_phase(parser, ("TRAIN", "TEST"), "TEST")
    network.add_stage(parser, "deploy")
    basics.add_fork(parser)


def run(args: argparse.Namespace) -> None:
    """Print a line per Crop layer; raises `InputError` if any offset is wrong or unknown."""
    path = network.net_path(args.net)
    phase = pb.TRAIN if args.phase == "TRAIN" else pb.TEST
    net = filter_net(read_net(path), phase, stages=args.stage or ["deploy"])
    checks = check_crops(net)
    if not checks:
        say(f"{path}: has no Crop layers in phase {args.phase}")
        return
    width = max(len(check.layer) for check in checks)
    for check in checks:
        say(f"{check.layer:{width}}  has {_text(check.has)}{_verdict(check)}")
    wrong = sum(not is_right(check) for check in checks)
    if wrong:
        raise InputError(f"{path}: {wrong} of {len(checks)} crops differ from the net's geometry")


def _verdict(check: CropCheck) -> str:
    if check.expected is None:
        return f"; the geometry gives none: {check.problem}"
    if is_right(check):
        return ", as it should"
    return f", should have {_text(check.expected)}"


def _text(offsets: Iterable[int]) -> str:
    return " x ".join(map(str, offsets))
