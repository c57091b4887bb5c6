"""Lay the curves of several training runs over one another in one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fcnkit.training import plot_runs, read_runs

from .arguments import basics
from .printing import say

if TYPE_CHECKING:
    import argparse

    from .arguments.basics import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    parser.input.option("runs", "outputs of train, or logs of any Caffe", "RUN", nargs="+")
    basics.add_output(parser, "picture to write: .png, .pdf or .svg")
    basics.add_force(parser)


def run(args: argparse.Namespace) -> int:
    """Draw the picture, and print what each run reached."""
    basics.refuse_existing(args, args.output)
    runs = read_runs(args.runs)
    plot_runs(args.output, runs)
    width = max(map(len, runs))
    for name, rows in runs.items():
        scores = [score for score in (row.get("test_mean_iou", -1) for row in rows) if score >= 0]
        best = f", best mean IoU {max(scores):.4f}" if scores else ""
        say(f"{name:{width}}  {int(rows[-1]['iteration'])} iterations{best}")
    return 0
