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
    parser.input.option(
        "archive",
        "VOCtrainval archive (.tar, .tar.gz, .tar.bz2 or .zip), or an expanded VOCdevkit folder",
        "ARCHIVE",
    )
    prepare.add_voc_name(parser, "--name")
    prepare.add_images(parser)
    prepare.add_sets(
        parser, ["train", "val"], "image sets, each of which becomes a folder", any_number=True
    )
    prepare.add_val_percent(parser, "train and val are sets of the archive")
    parser.data.option(
        "--task", "folder of ImageSets that holds the sets", "FOLDER", default="Segmentation"
    )
    parser.data.option(
        "--label-folder --labels", "folder of label images", "FOLDER", default="SegmentationClass"
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
            args.val_percent,
            args.images,
        )
