"""Draws a net as SVG, PNG, PDF or DOT, as draw_net.py does."""

from caffeformat import InputError, draw_network, filter_net, read_net
from caffeformat.drawing import DIRECTIONS

from .. import log
from . import expect_arguments
from .engine_flags import LEVEL, STAGE, phase_named, words
from .flags import Flag

USAGE = "[FLAGS] NET PICTURE"
FLAGS = [
    Flag("rankdir", "LR", f"the direction from the inputs on: {', '.join(DIRECTIONS)}"),
    Flag("phase", "ALL", "the layers of one phase, TRAIN or TEST, or ALL"),
    Flag("display_lrm", False, "show learning rate multipliers that are not 1"),
    LEVEL,
    STAGE,
]


def run(flags, arguments):
    """Read, draw, write; what the picture cannot tell is logged as warnings."""
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
