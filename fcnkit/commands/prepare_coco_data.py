"""Turn COCO into image and label folders of VOC's classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fcnkit.data_prep import prepare_coco

from .arguments import prepare

if TYPE_CHECKING:
    import argparse

    from .arguments.basics import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    parser.input.option("annotations", "annotations_trainval2017.zip, or a folder", "ANNOTATIONS")
    parser.input.option("images", "train2017.zip, val2017.zip, or folders", "IMAGES", nargs="+")
    prepare.add_sets(
        parser,
        ["train2017", "val2017"],
        "sets, as in instances_<set>.json, that become train and val",
    )
    parser.data.option(
        "--least", "skip images with fewer labelled pixels", "PIXELS", int, default=1000
    )
    prepare.add_output(parser)


def run(args: argparse.Namespace) -> None:
    """Prepare the dataset."""
    prepare.carry_out(
        args, prepare_coco, args.annotations, args.images, args.output, args.sets, args.least
    )
