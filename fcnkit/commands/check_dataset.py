"""Report what a dataset contains, and what is wrong with it, before hours go into training."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from caffeformat import InputError, atomic_write
from fcnkit.data_prep import (
    ImageTable,
    augmented_sheet,
    check_entries,
    database_entries,
    dataset_sheet,
    folder_entries,
    format_summary,
    processors,
)
from fcnkit.datasets import (
    DatasetFolder,
    FolderDataset,
    Location,
    locate,
    read_ids,
    read_if_there,
    refuse_other_names,
)
from fcnkit.images import parse_mean, read_palette

from .arguments import basics, classes, image_folders, pixels, training
from .arguments.basics import positive
from .console import Console
from .printing import say

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

    from .arguments.basics import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = "The exit status is 1 where problems were found."
    image_folders.add_image_folders(
        parser,
        "{train,val}/{images,labels} or {train,val}_db/{features,labels}, or with images and "
        "labels, or features and labels",
    )
    basics.add_json(parser)
    parser.output.option("--sheet", "write a contact sheet of images and their labels", "FILE.png")
    parser.output.option(
        "--sheet-rows",
        "images of each part on the sheet",
        "N",
        positive(int),
        otherwise="12, with --augment 8",
    )
    parser.output.option(
        "--table",
        "write a table of the images: size, problems, and the pixels of each class",
        "FILE.csv",
    )
    basics.add_force(parser)
    classes.add_classes(
        parser, "DATA/classes.txt, otherwise the colour map's, or any label is accepted"
    )
    classes.add_colour_map(parser)
    training.add_augment(
        parser.data,
        "show on the sheet, in place of images as they are, the first samples of a run as a net "
        "gets them",
    )
    basics.add_seed(parser, 1)
    pixels.add_channels(parser.data)
    pixels.add_white(parser.data, "8 bits and more are different kinds of images")
    pixels.add_bands(parser.output, "the dataset's, otherwise the first three")
    basics.add_workers(parser, processors())


def run(args: argparse.Namespace) -> int:
    """Check the dataset and report; return 1 where there are problems."""
    basics.refuse_existing(args, args.json, args.sheet, args.table)
    augment = training.augmentation(args.augment)
    if augment is not None and not args.sheet:
        raise InputError(
            "{augment} shows samples on a sheet: pass {sheet}, too",
            options={"augment": None, "sheet": None},
        )
    names = classes.class_names(args)
    colours = classes.colour_map(args, names)
    palette = read_if_there(read_palette, args.data or "", "palette.txt")
    form = pixels.image_form(args)
    bands = args.bands or (DatasetFolder(args.data).bands if args.data else None)
    facts: dict[str, dict[str, Any]] = {}
    sheets: list[NDArray[np.uint8]] = []
    table = ImageTable() if args.table else None
    for part, location in _parts(args).items():
        if location.kind == "folders":
            entries = functools.partial(folder_entries, location.images, location.labels)
        else:
            ids = read_if_there(read_ids, args.data, f"{part}.txt")
            entries = functools.partial(database_entries, location.images, location.labels, ids)
        with Console() as console:
            summary = check_entries(
                entries, names, colours, args.workers, console, part, table, form
            )
        if not summary.entries:
            raise InputError(
                f"{location.images} and {location.labels}: expected images, and labels with the "
                "same names; found none"
            )
        facts[part] = summary.as_dict()
        if args.json != "-":
            say(format_summary(f"{part} ({location.kind})", facts[part]), end="\n\n")
        if args.sheet and augment is None:
            count, rows = summary.entries, args.sheet_rows or 12
            sheets.append(
                dataset_sheet(entries(), count, part, names, colours, palette, rows, bands)
            )
    basics.write_json_output(args, facts)
    if table is not None:
        table.write(args.table, names)
    if augment is not None:
        sheets.append(_augmented(args, augment, next(iter(facts)), names, colours))
    if args.sheet:
        with atomic_write(args.sheet) as file:
            Image.fromarray(np.concatenate(sheets)).save(file, format="PNG")
    return 1 if any(part["problems"] for part in facts.values()) else 0


def _augmented(
    args: argparse.Namespace,
    augment: dict[str, Any],
    part: str,
    names: list[str] | None,
    colours: NDArray[np.uint8] | None,
) -> NDArray[np.uint8]:
    """Return a sheet of samples of a part of the dataset as a run gets them."""
    options: dict[str, Any] = {"rows": args.sheet_rows or 8, "seed": args.seed, "bands": args.bands}
    form = pixels.image_form(args)
    if args.images:
        with FolderDataset(args.images, args.labels, names, None, colours) as images:
            return augmented_sheet(images, augment, part, names, form=form, **options)
    with DatasetFolder(args.data, colours) as folder:
        options["bands"] = options["bands"] or folder.bands
        mean = read_if_there(parse_mean, args.data, "mean.txt")
        dataset = folder.split(part)
        return augmented_sheet(
            dataset, augment, part, names or folder.names, form=form, mean=mean, **options
        )


def _parts(args: argparse.Namespace) -> dict[str, Location]:
    """Return name -> `Location` of each part that the dataset has."""
    image_folders.check_image_folders(args)
    if args.images:
        return {"images": Location("folders", args.images, args.labels)}
    refuse_other_names(args.data)
    found = {split: locate(args.data, split) for split in ("train", "val", "test")}
    if not any(found.values()):
        found = {"images": locate(args.data)}
    parts = {name: location for name, location in found.items() if location}
    if not parts:
        raise InputError(
            f"{args.data}: expected train or val with images and labels, or train_db or val_db "
            "with features and labels, found neither: prepare_data makes them of other layouts"
        )
    return parts
