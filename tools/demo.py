#!/usr/bin/env python3
"""Run the whole chain on generated shapes: archive, LMDBs, classifier, surgery, FCN, scores."""

import sys
import time

from fcnkit import cli
from fcnkit.reports import format_scores
from fcnkit.tools import demo_report, demo_steps
from fcnkit.tools.train import Console


def add_arguments(parser):
    parser.add_argument("--output", "-o", default="demo", help="folder to make (demo)")
    parser.add_argument("--seed", type=int, default=1, help="of data and trainings (1)")
    parser.add_argument("--force", action="store_true", help="replace an earlier demo's folder")


def run(args):
    if args.force:
        demo_steps.clear(args.output)
    start = time.monotonic()
    outcome = demo_steps.run(
        args.output, args.seed, tell=lambda text: print(text, flush=True), observe=Console
    )
    report = demo_report.write(outcome)
    print()
    print(format_scores(outcome.boards["fcn"], outcome.names))
    print()
    print(format_comparison(outcome))
    print(f"\n{time.monotonic() - start:.0f} seconds; look at {report}")


def format_comparison(outcome):
    """Mean IoU over the foreground classes of the FCN and of what it is compared to, as text."""
    titles = {
        "fcn": "FCN after net surgery",
        "from scratch": "the same FCN from scratch",
        "colour": "colour of each pixel",
    }
    lines = [
        f"  {title:28}{demo_steps.foreground_iou(outcome.boards[key]):.4f}"
        for key, title in titles.items()
    ]
    return "\n".join(["mean IoU over the foreground classes", *lines])


if __name__ == "__main__":
    sys.exit(cli.run_module(sys.modules[__name__]))
