"""Turn a PASCAL VOC archive into image and label folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fcnkit.data_prep import prepare_voc

from .arguments import prepare
from .console import Console

if TYPE_CHECKING:
    import argparse

    from .arguments.basics import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    parser.input.add_argument(
        "archive",
        metavar="ARCHIVE",
        help="VOCtrainval archive (.tar, .tar.gz, .tar.bz2 or .zip), or an expanded VOCdevkit "
        "folder",
    )
    parser.data.add_argument(
        "--voc-name",
        "--name",
        metavar="NAME",
        help="which VOCdevkit/NAME to take (default: the only one in the archive)",
    )
    prepare.add_sets(
        parser, ["train", "val"], "image sets, each of which becomes a folder", any_number=True
    )
    parser.data.add_argument(
        "--task",
        default="Segmentation",
        metavar="FOLDER",
        help="folder of ImageSets that holds the sets (default: %(default)s)",
    )
    parser.data.add_argument(
        "--label-folder",
        "--labels",
        default="SegmentationClass",
        metavar="FOLDER",
        help="folder of label images (default: %(default)s)",
    )
    prepare.add_output(parser)


def run(args: argparse.Namespace) -> None:
    """Prepare the dataset."""
    with Console("file", tells_story=True) as console:
        prepare_voc(
            args.archive,
            args.output,
            args.sets,
            args.task,
            args.voc_name,
            args.label_folder,
            args.force,
            console,
        )
