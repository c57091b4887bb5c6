"""Turn PASCAL-Context into image and label folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fcnkit.data_prep import prepare_pascal_context

from .arguments import prepare

if TYPE_CHECKING:
    import argparse

    from .arguments.basics import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    parser.input.option("voc", "PASCAL VOC 2010's archive or VOCdevkit folder", "VOC2010")
    parser.input.option("annotations", "PASCAL-Context's trainval archive or folder", "ANNOTATIONS")
    parser.input.option(
        "--label-names --labels",
        "labels.txt, the 459 names",
        "FILE",
        otherwise="the one in ANNOTATIONS",
    )
    parser.input.option(
        "--chosen", "59_labels.txt, the 59 names", "FILE", otherwise="the one in ANNOTATIONS"
    )
    prepare.add_sets(parser, ["train", "val"], "lists of ImageSets/Main that become train and val")
    prepare.add_output(parser)


def run(args: argparse.Namespace) -> None:
    """Prepare the dataset."""
    prepare.carry_out(
        args,
        prepare_pascal_context,
        args.voc,
        args.annotations,
        args.output,
        args.label_names,
        args.chosen,
        args.sets,
    )
