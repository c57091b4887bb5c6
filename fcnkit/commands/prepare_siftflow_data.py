"""Turn SIFT Flow into image and label folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fcnkit.data_prep import LABELS, prepare_siftflow

from .arguments import prepare
from .console import Console

if TYPE_CHECKING:
    import argparse

    from .arguments.basics import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    parser.input.add_argument(
        "archive", metavar="ARCHIVE", help="SiftFlowDataset.zip, or an expanded folder"
    )
    parser.input.add_argument(
        "--lists",
        metavar="FOLDER",
        help="folder with trainval.txt and test.txt (default: the archive's own)",
    )
    parser.data.add_argument(
        "--label-kind",
        "--labels",
        choices=LABELS,
        default="semantic",
        help="which labels to take (default: %(default)s)",
    )
    prepare.add_output(parser)


def run(args: argparse.Namespace) -> None:
    """Prepare the dataset."""
    with Console("file", tells_story=True) as console:
        counts = prepare_siftflow(
            args.archive, args.output, args.lists, args.label_kind, args.force, console
        )
    prepare.print_counts(counts)
