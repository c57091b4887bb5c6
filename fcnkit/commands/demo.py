"""Run the whole chain on generated shapes: archive, LMDBs, classifier, surgery, FCN, scores."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fcnkit import demo
from fcnkit.inference import format_scores

from .arguments import basics
from .printing import say
from .training_console import TrainingConsole

if TYPE_CHECKING:
    import argparse

    from .arguments.basics import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    basics.add_output(parser, "folder to make", default="demo", required=False)
    basics.add_force(parser)
    basics.add_seed(parser, 1)


def run(args: argparse.Namespace) -> None:
    """Run the demo, print its scores and write its report."""
    if args.force:
        demo.clear(args.output)
    start = time.monotonic()
    console = TrainingConsole(tells_story=True)
    with console:
        outcome = demo.run(args.output, args.seed, observer=console)
    report = demo.write(outcome)
    say()
    say(format_scores(outcome.boards["fcn"], outcome.names))
    say()
    say(format_comparison(outcome))
    say(f"\n{time.monotonic() - start:.0f} seconds; look at {report}")


def format_comparison(outcome: demo.Outcome) -> str:
    """Return the mean IoU over the foreground classes, of the FCN and its rivals, as text."""
    titles = {
        "fcn": "FCN after net surgery",
        "from scratch": "the same FCN from scratch",
        "colour": "colour of each pixel",
    }
    lines = [
        f"  {title:28}{demo.foreground_iou(outcome.boards[key]):.4f}"
        for key, title in titles.items()
    ]
    return "\n".join(["mean IoU over the foreground classes", *lines])
