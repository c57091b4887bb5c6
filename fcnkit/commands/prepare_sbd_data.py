"""Turn SBD into image and label folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fcnkit.data_prep import SPLITS, prepare_sbd

from .arguments import prepare
from .console import Console

if TYPE_CHECKING:
    import argparse

    from .arguments.basics import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    parser.input.add_argument(
        "archive", metavar="ARCHIVE", help="benchmark.tgz, or a folder it was expanded into"
    )
    parser.input.add_argument(
        "--voc",
        metavar="ARCHIVE",
        help="PASCAL VOC's trainval archive or folder, for its validation set (default: without)",
    )
    parser.data.add_argument(
        "--voc-name",
        metavar="NAME",
        help="which VOCdevkit/NAME to take (default: the only one in the archive)",
    )
    parser.data.add_argument(
        "--split",
        choices=SPLITS,
        help="; ".join(f"{name}: {what}" for name, what in SPLITS.items())
        + " (default: seg11valid with --voc, otherwise sbd)",
    )
    prepare.add_output(parser)


def run(args: argparse.Namespace) -> None:
    """Prepare the dataset."""
    with Console("file", tells_story=True) as console:
        counts = prepare_sbd(
            args.archive, args.output, args.voc, args.voc_name, args.split, args.force, console
        )
    prepare.print_counts(counts)
