"""Turn labelled data, as annotation tools export it, into image and label folders."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from caffeformat import atomic_write
from fcnkit.data_prep import (
    LAYOUTS,
    VAL_PERCENT,
    DataOptions,
    dataset_sheet,
    folder_entries,
    prepare_data,
)

from .arguments import basics, classes, prepare
from .arguments.basics import positive
from .console import Console

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

    from .arguments.basics import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = "docs/data.md lists what is read, and what to type for it."
    parser.input.option("source", "archive, folder, or JSON file of annotations", "SOURCE")
    prepare.add_images(parser)
    prepare.add_output(parser)
    parser.output.option(
        "--sheet", "write a contact sheet of the first images and labels", "FILE.png"
    )
    parser.output.option("--sheet-rows", "images on the sheet", "N", positive(int), default=12)
    parser.data.option(
        "--layout",
        "what the source is",
        choices=list(LAYOUTS),
        otherwise="what it looks like",
    )
    parser.data.option(
        "--sets",
        "the set for train, and the one for val; one set needs --val-percent",
        "SET",
        nargs="+",
        otherwise="those called train and val, valid or validation",
    )
    prepare.add_val_percent(parser, f"{VAL_PERCENT} where the source has no sets")
    classes.add_classes(parser, "what the source says")
    classes.add_colour_map(parser)
    parser.data.option(
        "--label-folder",
        "folder of the labels, where the source has several",
        "NAME",
    )
    parser.data.option(
        "--overlap",
        "pixels that two objects claim: ignored, or the later object's",
        choices=["ignore", "later"],
        otherwise="as the tool that wrote them does; ignore for COCO",
    )
    parser.data.flag("--empty", "take images without any object as background")
    parser.data.option(
        "--page", "page of labels in files of several pages, from 1", "N", positive(int)
    )
    basics.add_seed(parser, 1)


def run(args: argparse.Namespace) -> None:
    """Prepare the dataset."""
    basics.refuse_existing(args, args.sheet)
    names = classes.numbered_names(args)
    colours = classes.colour_map(args, names)
    options = DataOptions(
        layout=args.layout,
        images=args.images,
        sets=args.sets,
        val_percent=args.val_percent,
        seed=args.seed,
        classes=names,
        colours=colours,
        label_folder=args.label_folder,
        overlap=args.overlap,
        empty=args.empty,
        page=args.page,
    )
    with Console("file", tells_story=True) as console:
        prepared = prepare_data(args.source, args.output, options, args.force, console)
    prepare.print_counts(prepared.counts)
    if args.sheet:
        _write_sheet(args.sheet, args.output, prepared.counts, prepared.names, args.sheet_rows)


def _write_sheet(
    path: str, out: str, counts: dict[str, int], names: list[str] | None, rows: int
) -> None:
    sheets: list[NDArray[np.uint8]] = []
    for split, count in counts.items():
        shown = min(rows, count)
        entries = folder_entries(
            os.path.join(out, split, "images"), os.path.join(out, split, "labels")
        )
        sheets.append(dataset_sheet(entries, shown, split, names, rows=shown))
    with atomic_write(path) as file:
        Image.fromarray(np.concatenate(sheets)).save(file, format="PNG")
