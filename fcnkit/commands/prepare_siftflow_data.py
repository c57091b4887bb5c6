"""Turn SIFT Flow into image and label folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fcnkit.data_prep import LABELS, prepare_siftflow

from .arguments import prepare

if TYPE_CHECKING:
    import argparse

    from .arguments.basics import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    parser.input.option("archive", "SiftFlowDataset.zip, or an expanded folder", "ARCHIVE")
    parser.input.option(
        "--lists", "folder with trainval.txt and test.txt", "FOLDER", otherwise="the archive's own"
    )
    parser.data.option(
        "--label-kind --labels", "which labels to take", default="semantic", choices=LABELS
    )
    prepare.add_output(parser)


def run(args: argparse.Namespace) -> None:
    """Prepare the dataset."""
    prepare.carry_out(
        args, prepare_siftflow, args.archive, args.output, args.lists, args.label_kind
    )
