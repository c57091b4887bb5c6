"""Draws a net as SVG, PNG, PDF or DOT, as draw_net.py does."""

from __future__ import annotations

from caffeformat import InputError, draw_network, filter_net, read_net
from caffeformat.drawing import DIRECTIONS
from torchcaffe import log

from .engine_flags import LEVEL, STAGE, phase_named, words
from .flags import Flag, Flags
from .main import expect_arguments

USAGE = "[FLAGS] NET PICTURE"
FLAGS = [
    Flag("rankdir", "LR", f"direction from inputs to outputs: {', '.join(DIRECTIONS)}"),
    Flag("phase", "ALL", "draw the layers of one phase, TRAIN or TEST, or ALL"),
    Flag("display_lrm", False, "show learning rate multipliers that are not 1"),
    LEVEL,
    STAGE,
]


def run(flags: Flags, arguments: list[str]) -> None:
    """Read, draw and write; whatever the picture cannot show is logged as a warning."""
    expect_arguments(arguments, f"torchcaffe draw_net {USAGE}", 2)
    source, target = arguments
    if flags.rankdir not in DIRECTIONS:
        raise InputError(f'-rankdir is "{flags.rankdir}"; expected {", ".join(DIRECTIONS)}.')
    net = read_net(source)
    if flags.phase != "ALL":
        net = filter_net(net, phase_named(flags.phase), flags.level, words(flags.stage))
    drawing = draw_network(net, rankdir=flags.rankdir, display_lrm=flags.display_lrm)
    print(f"Drawing net to {target}")
    drawing.save(target)
    for note in drawing.notes:
        log.logger.warning("%s", note)
