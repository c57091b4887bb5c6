"""Turn SBD into image and label folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fcnkit.data_prep import SPLITS, prepare_sbd

from .arguments import prepare

if TYPE_CHECKING:
    import argparse

    from .arguments.basics import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    parser.input.option("archive", "benchmark.tgz, or a folder it was expanded into", "ARCHIVE")
    parser.input.option(
        "--voc",
        "PASCAL VOC's trainval archive or folder, for its validation set",
        "ARCHIVE",
        otherwise="without",
    )
    prepare.add_voc_name(parser)
    parser.data.option(
        "--split",
        "; ".join(f"{name}: {what}" for name, what in SPLITS.items()),
        otherwise="seg11valid with --voc, otherwise sbd",
        choices=SPLITS,
    )
    prepare.add_output(parser)


def run(args: argparse.Namespace) -> None:
    """Prepare the dataset."""
    prepare.carry_out(
        args, prepare_sbd, args.archive, args.output, args.voc, args.voc_name, args.split
    )
