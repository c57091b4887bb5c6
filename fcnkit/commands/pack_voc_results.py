"""Pack masks for the PASCAL VOC evaluation server, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fcnkit.inference import COMPETITIONS, pack_voc_results

from .arguments import basics
from .console import Console
from .printing import say

if TYPE_CHECKING:
    import argparse

    from .arguments.basics import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    parser.input.option("masks", "folder with the masks of infer: <id>.png", "FOLDER")
    parser.input.option(
        "--image-set",
        "list of the ids to pack, such as VOCdevkit/VOC2012/ImageSets/Segmentation/test.txt",
        "FILE",
        required=True,
    )
    parser.input.option(
        "--images",
        "folder of the images, to compare sizes with",
        "FOLDER",
        otherwise="JPEGImages beside ImageSets",
    )
    basics.add_output(parser, "archive to write: .tar.gz, .tgz or .tar")
    basics.add_force(parser)
    parser.options.option(
        "--competition",
        "comp5: trained on VOC's data only; comp6: on any data",
        default="comp6",
        choices=COMPETITIONS,
    )


def run(args: argparse.Namespace) -> None:
    """Check and pack."""
    basics.refuse_existing(args, args.output)
    with Console() as console:
        ids = pack_voc_results(
            args.masks, args.image_set, args.output, args.images, args.competition, console
        )
    say(f"{args.output}: {len(ids)} masks, all of their image's size, indices 0 to 20")
