"""Say what is in a dataset, and what is wrong with it, before hours are spent on training."""

import functools
import json

import numpy as np
from PIL import Image
from tqdm import tqdm

from caffeformat import InputError, atomic_write
from fcnkit.data_prep import (
    check_entries,
    database_entries,
    dataset_sheet,
    folder_entries,
    format_summary,
    processors,
)
from fcnkit.datasets import Location, locate, read_ids, read_if_there
from fcnkit.images import read_palette

from .arguments.classes import add_class_arguments, class_names, colour_map


def add_arguments(parser):
    """Declare the command's arguments."""
    parser.epilog = "The exit status is 1 where problems were found."
    parser.add_argument(
        "data",
        nargs="?",
        metavar="DATA",
        help="folder with {train,val}/{images,labels} or {train,val}_db/{features,labels}, or with "
        "images and labels, or features and labels",
    )
    parser.add_argument("--images", metavar="DIR", help="folder of images, instead of DATA")
    parser.add_argument("--labels", metavar="DIR", help="folder of their labels")
    add_class_arguments(parser)
    parser.add_argument("--json", metavar="FILE", help="write all as JSON; - prints it instead")
    parser.add_argument(
        "--sheet", metavar="FILE.png", help="write a contact sheet of images and their labels"
    )
    parser.add_argument(
        "--sheet-rows",
        type=int,
        default=12,
        metavar="N",
        help="images of each part on the sheet (default: %(default)s)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=processors(),
        metavar="N",
        help="processes that read images (default: %(default)s)",
    )


def run(args):
    """Run the command."""
    names, colours = class_names(args), colour_map(args)
    palette = read_if_there(read_palette, args.data or "", "palette.txt")
    facts, sheets = {}, []
    for part, location in _parts(args).items():
        if location.kind == "folders":
            entries = functools.partial(folder_entries, location.images, location.labels)
        else:
            ids = read_if_there(read_ids, args.data, f"{part}.txt")
            entries = functools.partial(database_entries, location.images, location.labels, ids)
        with tqdm(desc=part, unit="image", disable=None, leave=False) as bar:
            summary = check_entries(entries, names, colours, args.workers, bar.update)
        if not summary.entries:
            raise InputError(
                f"{location.images} and {location.labels}: there is nothing in them: expected "
                "images, and labels of the same names"
            )
        facts[part] = summary.as_dict()
        if args.json != "-":
            print(format_summary(f"{part} ({location.kind})", facts[part]), end="\n\n")
        if args.sheet:
            count, rows = summary.entries, args.sheet_rows
            sheets.append(dataset_sheet(entries(), count, part, names, colours, palette, rows))
    if args.json == "-":
        print(json.dumps(facts, indent=1))
    elif args.json:
        with atomic_write(args.json, "w") as file:
            json.dump(facts, file, indent=1)
    if args.sheet:
        with atomic_write(args.sheet) as file:
            Image.fromarray(np.concatenate(sheets)).save(file, format="PNG")
    return 1 if any(part["problems"] for part in facts.values()) else 0


def _parts(args):
    """Name -> `Location` of each part of the dataset that is there."""
    if bool(args.images) != bool(args.labels) or bool(args.data) == bool(args.images):
        raise InputError("give either DATA or both --images and --labels")
    if args.images:
        return {"images": Location("folders", args.images, args.labels)}
    parts = {split: locate(args.data, split) for split in ("train", "val", "test")}
    if not any(parts.values()):
        parts = {"images": locate(args.data)}
    parts = {name: location for name, location in parts.items() if location}
    if not parts:
        raise InputError(
            f"{args.data}: expected train or val with images and labels, or train_db or val_db "
            f"with features and labels, found neither"
        )
    return parts
