"""Draw a network as SVG, PNG, PDF or DOT: settings, shapes, stride and receptive field."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from caffeformat import InputError, draw_network, filter_net, pb, read_net
from caffeformat.drawing import DIRECTIONS
from fcnkit.nets import image_shapes

from .arguments import basics, network
from .arguments.basics import positive
from .printing import say

if TYPE_CHECKING:
    import argparse

    from .arguments.basics import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    network.add_net(parser.input, "net")
    parser.input.option(
        "--shape",
        "shape of an input that the prototxt does not state; may be repeated",
        "BLOB=N,C,H,W",
        default=[],
        otherwise="a usual image",
        action="append",
    )
    basics.add_output_position(parser, "picture to write: .svg, .png, .pdf or .dot")
    basics.add_force(parser)
    parser.output.option(
        "--scale", "pixels per point in a PNG", "FACTOR", positive(float), default=2.0
    )
    network.add_phase(parser, ("TRAIN", "TEST", "ALL"), "ALL")
    network.add_stage(parser, "none")
    parser.network.option("--level", "level of an all-in-one net", "N", int, default=0)
    basics.add_fork(parser)
    parser.options.option(
        "--rankdir",
        "direction: top to bottom, left to right, ...",
        default="TB",
        choices=DIRECTIONS,
    )
    parser.options.flag(
        "--display-lrm --display_lrm", "show learning rate multipliers that are not 1"
    )
    parser.options.option(
        "--highlight", "layer to highlight; may be repeated", "LAYER", default=[], action="append"
    )


def run(args: argparse.Namespace) -> None:
    """Read, draw, write; notes about what the picture cannot show go to the error stream."""
    basics.refuse_existing(args, args.output)
    net = read_net(network.net_path(args.net))
    if args.phase != "ALL" or args.stage:
        phase = pb.TRAIN if args.phase == "TRAIN" else pb.TEST
        net = filter_net(net, phase, args.level, args.stage or [])
    given = dict(map(parse_shape, args.shape))
    assumed = {blob: shape for blob, shape in image_shapes(net).items() if blob not in given}
    shapes = {**assumed, **given}
    drawing = draw_network(net, shapes, args.highlight, args.rankdir, args.display_lrm)
    say(f"Drawing net to {args.output}")
    drawing.save(args.output, args.scale)
    notes = [
        f"{blob} is drawn as {' x '.join(map(str, shape))}; to change it, pass "
        f"--shape {blob}=N,C,H,W"
        for blob, shape in assumed.items()
    ]
    for note in notes + drawing.notes:
        say(f"note: {note}", file=sys.stderr)


def parse_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """Return (blob, shape) from `data=1,3,500,500`."""
    blob, _, numbers = text.rpartition("=")
    try:
        shape: tuple[int, ...] = tuple(int(number) for number in numbers.split(","))
    except ValueError:
        shape = ()
    if not blob or not shape or min(shape) < 1:
        raise InputError(f"--shape {text}: expected a blob and its axes, as in data=1,3,500,500")
    return blob, shape
