"""Arguments and last line of the commands that turn archives into image and label folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..console import Console
from ..printing import say
from . import basics

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from .basics import CommandParser


def add_output(parser: CommandParser) -> None:
    """Declare `OUTPUT` and `--force`."""
    basics.add_output_position(parser, "folder for train and val, each with images and labels")
    basics.add_force(parser)


def add_images(parser: CommandParser) -> None:
    """Declare `--images`."""
    parser.input.option(
        "--images", "archive or folder of the images, if they lie apart from the labels", "PATH"
    )


def add_voc_name(parser: CommandParser, older: str = "") -> None:
    """Declare `--voc-name`; `older` is an earlier spelling of it."""
    parser.data.option(
        f"--voc-name {older}",
        "which VOCdevkit/NAME to take",
        "NAME",
        otherwise="the only one in the archive",
    )


def add_sets(
    parser: CommandParser, default: Sequence[str], where: str, *, any_number: bool = False
) -> None:
    """Declare `--sets TRAIN VAL`, or with `any_number` sets of any names."""
    parser.data.option(
        "--sets",
        where,
        "SET" if any_number else ("TRAIN", "VAL"),
        default=default,
        otherwise=" ".join(default),
        nargs="+" if any_number else 2,
    )


def add_val_percent(parser: CommandParser, default: str) -> None:
    """Declare `--val-percent`; `default` says what holds without it."""
    parser.data.option(
        "--val-percent",
        "share of the images drawn for validation, where one set is split into train and val",
        "PERCENT",
        int,
        otherwise=default,
    )


def carry_out(
    args: argparse.Namespace, prepare: Callable[..., Mapping[str, int]], *given: Any
) -> None:
    """Call `prepare(*given, force, progress)`, and print how many pairs each split has."""
    with Console("file", tells_story=True) as console:
        counts = prepare(*given, args.force, console)
    print_counts(counts)


def print_counts(counts: Mapping[str, int]) -> None:
    """Print how many pairs each split has."""
    say(", ".join(f"{count} {split}" for split, count in counts.items()) + " pairs")
