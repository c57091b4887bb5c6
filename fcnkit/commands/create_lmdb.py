"""Turn folders of images and labels into LMDBs with the layout of DIGITS."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from caffeformat import InputError
from caffeformat.files import refuse_overlap
from fcnkit.data_prep import VAL_PERCENT, Form, create_lmdb, find_splits, processors, split_pairs
from fcnkit.images import count_channels, voc_class_names

from .arguments import basics, classes, image_folders, pixels
from .console import Console
from .printing import say

if TYPE_CHECKING:
    import argparse

    from .arguments.basics import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    image_folders.add_image_folders(
        parser,
        "{train,val}/{images,labels}, such as an output of prepare_pascal_voc_data, or with "
        "{images,labels}",
        "training images",
    )
    image_folders.add_val_folders(parser)
    basics.add_output_position(parser, "folder for the LMDBs")
    basics.add_force(parser)
    parser.output.option(
        "--encoding",
        "how images are stored; those that have this form already are not encoded again, and those "
        "of more than 8 bits, or of other numbers of channels than 1 and 3, are stored raw",
        default="png",
        choices=["png", "jpeg", "raw"],
    )
    parser.output.option(
        "--label-encoding",
        "how labels are stored, as one channel of class indices",
        default="png",
        choices=["png", "raw"],
    )
    pixels.add_channels(parser.output)
    pixels.add_white(parser.output, "store them as they are, as floats")
    pixels.add_bands(parser.output)
    parser.output.flag("--small", "compress PNGs about 10%% more, which takes ten times as long")
    classes.add_classes(
        parser, "DATA/classes.txt, otherwise the colour map's, or numbered as the labels need"
    )
    classes.add_colour_map(parser)
    parser.data.option(
        "--val-percent",
        "share of the training images to draw for validation, if validation has no folder",
        "N",
        int,
        otherwise=str(VAL_PERCENT),
    )
    parser.data.flag("--same-shape", "refuse images whose shape differs from the first one's")
    parser.data.flag("--shuffle", "write the training images in random order")
    basics.add_seed(parser, 1)
    basics.add_workers(parser, processors())


def run(args: argparse.Namespace) -> None:
    """Write the LMDBs."""
    image_folders.check_image_folders(args)
    folders = [args.data, args.images, args.labels, args.val_images, args.val_labels]
    files = [path for path in (args.classes, args.colours) if path and os.path.isfile(path)]
    refuse_overlap(args.output, folders + files)
    if args.val_percent is not None and not 0 <= args.val_percent < 100:
        raise InputError(f"--val-percent {args.val_percent}: expected 0 to 99")
    train, val = find_splits(args.data, args.images, args.labels, args.val_images, args.val_labels)
    if val is None:
        percent = VAL_PERCENT if args.val_percent is None else args.val_percent
        train, val = split_pairs(train, percent, args.seed)
        if percent and not val:
            _warn_of_no_validation(len(train), percent)
    elif args.val_percent is not None:
        raise InputError("--val-percent: the validation images have their own folder already")
    names = classes.class_names(args)
    colours = classes.colour_map(args, names)
    form = Form(
        args.encoding,
        args.label_encoding,
        args.channels,
        args.small,
        args.same_shape,
        args.white,
        args.bands,
    )
    with Console() as console:
        manifest = create_lmdb(
            train,
            val,
            args.output,
            names,
            colours,
            form,
            shuffle_seed=args.seed if args.shuffle else None,
            workers=args.workers,
            force=args.force,
            progress=console,
        )
    _report(args.output, manifest)
    if names is None:
        _warn_of_count(len(manifest["classes"]))


def _warn_of_no_validation(images: int, percent: int) -> None:
    needed = -(-100 // images)
    remedy = f"--val-percent {needed} or more, or 0 for none" if needed < 100 else "more images"
    say(
        f"warning: {percent}% of {images} images is none, so there is no val_db: pass {remedy}",
        file=sys.stderr,
    )


def _report(out: str, manifest: dict[str, Any]) -> None:
    for split, facts in manifest["splits"].items():
        say(f"{split}: {facts['images']} images in {out}/{split}_db")
        if facts["labels_with_another_palette"]:
            say(
                f"warning: {facts['labels_with_another_palette']} of its labels have other colours "
                "than palette.txt; check_dataset names them",
                file=sys.stderr,
            )
    mean = manifest["mean"]
    order = "B G R" if len(mean) == 3 else f"{count_channels(len(mean))}, {manifest['depth']}"
    say(f"mean ({order}): {' '.join(map(str, mean))}")
    say(f"{len(manifest['classes'])} classes")


def _warn_of_count(count: int) -> None:
    voc = ", or --classes voc for VOC's 21" if count <= len(voc_class_names()) else ""
    say(
        f"warning: no class names were given: {count} classes were counted, as the highest label "
        f"is {count - 1}. If the dataset has more, which these labels do not show, nets made for "
        f"this count have too few outputs: pass --classes FILE, one name per line{voc} (and "
        "--force)",
        file=sys.stderr,
    )
