"""Arguments that say how images are evaluated: scales, mirror images, windows, batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fcnkit.inference import Evaluation, parse_scales

from .basics import positive

if TYPE_CHECKING:
    import argparse

    from .basics import CommandParser


def add_evaluation(parser: CommandParser) -> None:
    """Declare `--scales`, `--flip`, `--window` and `--batch`, for `evaluation`."""
    group = parser.evaluation
    group.option(
        "--scales",
        "average the probabilities over images resized by these factors: START:END in steps of "
        "0.25 (0.5:1.75), or a list (0.75,1,1.25)",
        "SCALES",
        otherwise="1",
    )
    group.flag("--flip", "average them over each image and its mirror image, too")
    group.option(
        "--window",
        "cut what is larger into windows of this side, two thirds of it apart, and average them "
        "where they overlap: images of any size in bounded memory",
        "PIXELS",
        positive(int),
        otherwise="whole images",
    )
    group.option(
        "--batch",
        "run neighbouring images of one size through the net so many at a time; the results are "
        "those of one after the other",
        "N",
        positive(int),
        default=1,
    )


def evaluation(args: argparse.Namespace) -> Evaluation:
    """Return what the arguments of `add_evaluation` say; one plain pass without them."""
    scales = getattr(args, "scales", None)
    return Evaluation(
        (1.0,) if scales is None else parse_scales(scales),
        getattr(args, "flip", False),
        getattr(args, "window", None),
        getattr(args, "batch", 1),
    )
