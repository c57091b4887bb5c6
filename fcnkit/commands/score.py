"""Score a network on a dataset, or a folder of masks against a folder of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffeformat import InputError
from fcnkit import inference
from fcnkit.datasets import FolderDataset, open_dataset
from fcnkit.images import IGNORE_LABEL
from fcnkit.inference import VOC_COUNT, masks_and_labels, names_for, predictions_and_labels, score

from .arguments import basics, classes, network
from .console import Console
from .printing import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from fcnkit.inference import Scoreboard

    from .arguments.basics import CommandParser

    Scored = tuple[Scoreboard, Sequence[str] | None]


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    basics.add_data(parser)
    parser.input.option("--images", "folder of images, instead of --data", "FOLDER")
    parser.input.option(
        "--labels", "folder of labels with the same names, for --images or --predictions", "FOLDER"
    )
    parser.input.option("--predictions", "folder of masks, instead of a network", "FOLDER")
    basics.add_json(parser)
    parser.output.option(
        "--csv",
        "also write PREFIX_classes.csv, PREFIX_images.csv and PREFIX_confusion.csv",
        "PREFIX",
    )
    basics.add_force(parser)
    network.add_network(parser)
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
    basics.refuse_existing(args, args.json, *tables)
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


def score_masks(args: argparse.Namespace, colours: NDArray[np.uint8] | None) -> Scored:
    """Score `--predictions` against `--labels`: (Scoreboard, class names or None)."""
    if not args.labels or network.has_network(args) or args.data or args.images:
        raise InputError(
            "--predictions needs --labels, and excludes a network, --data and --images"
        )
    names, count = _named_classes(args) or (None, VOC_COUNT)
    with Console() as console:
        samples = masks_and_labels(args.predictions, args.labels, colours)
        return score(samples, count, _ignore(args), console), names_for(count, names)


def score_network(args: argparse.Namespace, colours: NDArray[np.uint8] | None) -> Scored:
    """Score `--net` with `--weights` on a dataset: (Scoreboard, class names or None)."""
    if not network.has_network(args):
        raise InputError(
            "pass a network (--net and --weights, --run or --digits-model) or masks (--predictions)"
        )
    if args.data and not (args.images or args.labels):
        dataset = open_dataset(args.data, args.split, colours)
    elif args.images and args.labels and not args.data:
        dataset = FolderDataset(args.images, args.labels, colours=colours)
    else:
        raise InputError("pass the images to score: --data FOLDER, or --images and --labels")
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
        names = names_for(scored, names)
        samples = predictions_and_labels(segmenter, dataset)
        board = score(samples, scored, _ignore(args, trained.ignore), console)
        if segmenter.note:
            console.note(segmenter.note)
        return board, names


def _ignore(args: argparse.Namespace, trained: int | None = None) -> int:
    """Return the label that is not counted: the option's, else the training's, else 255."""
    return next(label for label in (args.ignore, trained, IGNORE_LABEL) if label is not None)


def _named_classes(args: argparse.Namespace) -> tuple[list[str] | None, int] | None:
    return None if args.classes is None else classes.parse_classes(args.classes)
