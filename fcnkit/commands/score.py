"""Score a network on a dataset, or a folder of masks against a folder of labels."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from PIL import Image

from caffeformat import InputError, atomic_write
from fcnkit import inference
from fcnkit.datasets import FolderDataset, default_palette, open_dataset
from fcnkit.images import IGNORE_LABEL, as_rgb, colour_map_names
from fcnkit.inference import VOC_COUNT, masks_and_labels, names_for, predictions_and_labels, score

from .arguments import basics, classes, devices, evaluation, network
from .console import Console
from .printing import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from fcnkit.datasets import SegmentationDataset
    from fcnkit.inference import Scoreboard

    from .arguments.basics import CommandParser

    Scored = tuple[Scoreboard, Sequence[str] | None]


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    basics.add_data(parser)
    parser.input.option("--images", "folder of images, instead of --data", "FOLDER")
    parser.input.option(
        "--labels",
        "folder of labels with the names of the images or masks",
        "FOLDER",
    )
    parser.input.option("--predictions", "folder of masks, instead of a network", "FOLDER")
    basics.add_json(parser)
    parser.output.option(
        "--csv",
        "also write PREFIX_classes.csv, PREFIX_images.csv and PREFIX_confusion.csv",
        "PREFIX",
    )
    parser.output.option(
        "--confusion", "also draw the confusion matrix, a row per label's class", "FILE.png"
    )
    parser.output.option(
        "--sheet", "also write a contact sheet of the images with the lowest mean IoU", "FILE.png"
    )
    parser.options.option(
        "--worst", "number of images on the sheet", "N", basics.positive(int), default=8
    )
    basics.add_force(parser)
    network.add_network(parser, on_devices=True)
    devices.add_precision(parser)
    evaluation.add_evaluation(parser)
    classes.add_colour_map(parser)
    parser.data.option("--split", "part of --data: train or val", default="val")
    parser.data.option(
        "--ignore",
        "label that is not counted",
        "LABEL",
        int,
        otherwise="what the training run's loss ignored, otherwise 255",
    )


def run(args: argparse.Namespace) -> None:
    """Score, print the table, and write the requested files."""
    tables = inference.csv_paths(args.csv) if args.csv else []
    basics.refuse_existing(args, args.json, args.confusion, args.sheet, *tables)
    colours = classes.colour_map(args)
    if args.predictions:
        board, names = score_masks(args, colours)
    else:
        board, names = score_network(args, colours)
    if args.json != "-":
        say(inference.format_scores(board, names))
    basics.write_json_output(args, inference.scores_as_dict(board, names))
    if args.csv:
        inference.write_csv(args.csv, board, names)
    if args.confusion:
        inference.draw_confusion(args.confusion, board.matrix, names)


def score_masks(args: argparse.Namespace, colours: NDArray[np.uint8] | None) -> Scored:
    """Score `--predictions` against `--labels`: (Scoreboard, class names or None)."""
    if not args.labels or network.has_network(args) or args.data or args.images:
        raise InputError(
            "--predictions needs --labels, and excludes a network, --data and --images"
        )
    names, count = _named_classes(args) or (None, None)
    own = _names_of_colours(args, count) if names is None else None
    if own is not None:
        names, count = own, len(own)
    count = count or VOC_COUNT
    with Console() as console:
        names_of_masks = names_for(count, names)
        classes.check_order(args, names_of_masks)
        samples = masks_and_labels(args.predictions, args.labels, colours)
        board = score(samples, count, _ignore(args), console, _kept(args))
        if args.sheet:
            palette = classes.names_and_palette(args)[1]
            _write_sheet(args.sheet, board, palette, names_of_masks)
        return board, names_of_masks


def score_network(args: argparse.Namespace, colours: NDArray[np.uint8] | None) -> Scored:
    """Score `--net` with `--weights` on a dataset: (Scoreboard, class names or None)."""
    if not network.has_network(args):
        raise InputError(
            "pass a network (--net and --weights, --run or --digits-model) or masks (--predictions)"
        )
    open_images: Callable[[], SegmentationDataset]
    if args.data and not (args.images or args.labels):
        open_images = functools.partial(open_dataset, args.data, args.split, colours)
    elif args.images and args.labels and not args.data:
        open_images = functools.partial(FolderDataset, args.images, args.labels, colours=colours)
    else:
        raise InputError("pass the images to score: --data FOLDER, or --images and --labels")
    inference.refuse_launched()
    chosen = devices.devices(args)
    if chosen.count > 1 and args.precision not in (None, "float32"):
        raise InputError(f"--precision {args.precision}: several processes score in float32 only")
    dataset = open_images()
    trained = network.trained_net(args)
    segmenter = network.segmenter(args, trained)
    names: Sequence[str] | None
    names, count = _named_classes(args) or (None, None)
    with dataset, Console() as console:
        scored = segmenter.classes(dataset.image(0, segmenter.form), dataset.ids[0])
        warning = network.unmatched_warning(segmenter, trained.weights)
        if warning:
            console.warn(warning)
        if count and count != scored:
            raise InputError(f"the network scores {scored} classes, but --classes has {count}")
        if names is None and dataset.classes and len(dataset.classes) == scored:
            # A dataset may have fewer classes than the network: then its names are not used.
            names = dataset.classes
        names = names_for(scored, names or _names_of_colours(args, scored))
        classes.check_order(args, names)
        notes: list[str] = []  # of the other processes
        if chosen.count > 1:
            settings = network.segmenter_settings(args)
            samples = inference.shared_predictions(
                trained, settings, open_images, chosen, notes.append
            )
        else:
            samples = predictions_and_labels(segmenter, dataset)
        board = score(samples, scored, _ignore(args, trained.ignore), console, _kept(args))
        for note in dict.fromkeys([*segmenter.notes, *notes]):
            console.note(note)
        if args.sheet:

            def image_of(name: str) -> NDArray[np.uint8]:
                image = dataset.image(dataset.ids.index(name), segmenter.form)
                return as_rgb(image, trained.bands)

            _write_sheet(args.sheet, board, trained.palette, names, image_of)
        return board, names


def _kept(args: argparse.Namespace) -> int:
    """Return how many of the worst images are needed."""
    return args.worst if args.sheet else 0


def _write_sheet(
    path: str,
    board: Scoreboard,
    palette: NDArray[np.uint8] | None,
    names: Sequence[str] | None,
    image_of: Callable[[str], NDArray[np.uint8] | None] = lambda name: None,
) -> None:
    if palette is None:
        palette = default_palette(names)
    sheet = inference.worst_sheet(board, palette, image_of)
    with atomic_write(path) as file:
        Image.fromarray(sheet).save(file, format="PNG")


def _ignore(args: argparse.Namespace, trained: int | None = None) -> int:
    """Return the label that is not counted: the option's, else the training's, else 255."""
    return next(label for label in (args.ignore, trained, IGNORE_LABEL) if label is not None)


def _named_classes(args: argparse.Namespace) -> tuple[list[str] | None, int] | None:
    return None if args.classes is None else classes.parse_classes(args.classes)


def _names_of_colours(args: argparse.Namespace, count: int | None) -> list[str] | None:
    """The class names in the colour map, if they are `count` (None: any number); None without."""
    names = None if args.colours is None else colour_map_names(args.colours)
    return names if names is None or count in (None, len(names)) else None
