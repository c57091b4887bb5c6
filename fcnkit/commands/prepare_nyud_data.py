"""Turn NYUDv2 into image and label folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fcnkit.data_prep import INPUTS, prepare_nyud

from .arguments import prepare

if TYPE_CHECKING:
    import argparse

    from .arguments.basics import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    parser.input.option("archive", "nyud.tar.gz, or an expanded folder", "ARCHIVE")
    prepare.add_sets(parser, ["trainval", "test"], "the archive's lists that become train and val")
    parser.data.option("--input", "what the images show", default="color", choices=INPUTS)
    prepare.add_output(parser)


def run(args: argparse.Namespace) -> None:
    """Prepare the dataset."""
    prepare.carry_out(args, prepare_nyud, args.archive, args.output, args.sets, args.input)
