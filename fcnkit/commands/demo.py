"""Run the whole chain on generated shapes: archive, LMDBs, classifier, surgery, FCN, scores."""

from __future__ import annotations

import argparse
import time

from fcnkit import demo
from fcnkit.inference import format_scores

from .train import Console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--output", "-o", default="demo", help="folder to make (default: demo)")
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of data and training runs (default: 1)"
    )
    parser.add_argument("--force", action="store_true", help="replace an earlier demo's folder")


class _PlainConsole(Console):
    """Prints notes as they are: they are the demo's own story."""

    def note(self, text: str) -> None:
        self.close()
        print(text, flush=True)


def run(args: argparse.Namespace) -> None:
    """Run the demo, print its scores and write its report."""
    if args.force:
        demo.clear(args.output)
    start = time.monotonic()
    with _PlainConsole() as console:
        outcome = demo.run(args.output, args.seed, observer=console)
    report = demo.write(outcome)
    print()
    print(format_scores(outcome.boards["fcn"], outcome.names))
    print()
    print(format_comparison(outcome))
    print(f"\n{time.monotonic() - start:.0f} seconds; look at {report}")


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
