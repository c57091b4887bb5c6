"""Score a network on a dataset, or a folder of masks against a folder of labels."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from caffeformat import InputError
from fcnkit import files, inference
from fcnkit.datasets import FolderDataset, open_dataset
from fcnkit.images import read_class_names, read_palette
from fcnkit.inference import VOC_COUNT, masks_and_labels, names_for, predictions_and_labels, score
from fcnkit.progress import Progress

from .arguments import network

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from fcnkit.inference import Scoreboard

    Scored = tuple[Scoreboard, Sequence[str] | None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    data = parser.add_argument_group("what to score")
    data.add_argument("--data", help="dataset folder: train_db/val_db, or train/val with folders")
    data.add_argument("--split", default="val", help="part of --data: train or val (default: val)")
    data.add_argument("--images", help="folder of images, instead of --data")
    data.add_argument("--predictions", help="folder of masks, instead of a network")
    data.add_argument("--labels", help="folder of labels, for --images or --predictions")
    data.add_argument(
        "--colour-map",
        metavar="FILE",
        help="colours of the classes, for RGB labels or masks: text with `R G B` lines, a paletted "
        "image, or `voc`",
    )
    data.add_argument(
        "--ignore", type=int, default=255, help="label that is not counted (default: 255)"
    )
    data.add_argument(
        "--classes",
        metavar="FILE|N",
        help="class names, one per line, `voc`, or their number (default: those of --data, or "
        "VOC's 21)",
    )
    network.add_network(parser)
    result = parser.add_argument_group("results")
    result.add_argument("--json", metavar="FILE", help="write all scores as JSON")
    result.add_argument(
        "--csv",
        metavar="PREFIX",
        help="write PREFIX_classes.csv, PREFIX_images.csv and PREFIX_confusion.csv",
    )
    result.add_argument("--force", action="store_true", help="overwrite existing files")


def run(args: argparse.Namespace) -> None:
    """Score, print the table, and write the requested files."""
    targets = ([args.json] if args.json else []) + (
        inference.csv_paths(args.csv) if args.csv else []
    )
    for path in targets:
        if os.path.exists(path) and not args.force:
            raise InputError(f"{path} exists already: choose another name, or pass --force")
    colours = read_palette(args.colour_map) if args.colour_map else None
    if args.predictions:
        board, names = score_masks(args, colours)
    else:
        board, names = score_network(args, colours)
    print(inference.format_scores(board, names))
    if args.json:
        files.write_json(args.json, inference.scores_as_dict(board, names))
    if args.csv:
        inference.write_csv(args.csv, board, names)


def score_masks(args: argparse.Namespace, colours: NDArray[np.uint8] | None) -> Scored:
    """Score `--predictions` against `--labels`: (Scoreboard, class names or None)."""
    if not args.labels or network.has_network(args) or args.data or args.images:
        raise InputError(
            "--predictions needs --labels, and excludes a network, --data and --images"
        )
    names, count = classes_of(args.classes)
    count = count or VOC_COUNT
    with ProgressBar() as bar:
        samples = masks_and_labels(args.predictions, args.labels, colours)
        return score(samples, count, args.ignore, bar), names_for(count, names)


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
    segmenter = network.segmenter(args)
    names: Sequence[str] | None
    names, count = classes_of(args.classes)
    with dataset, ProgressBar() as bar:
        classes = segmenter.classes(dataset.image(0), dataset.ids[0])
        warning = network.unmatched_warning(segmenter, args.weights)
        if warning:
            print(warning, file=sys.stderr)
        if count and count != classes:
            raise InputError(f"the network scores {classes} classes, but --classes has {count}")
        if names is None and dataset.classes and len(dataset.classes) == classes:
            # A dataset may have fewer classes than the network: then its names are not used.
            names = dataset.classes
        names = names_for(classes, names)
        samples = predictions_and_labels(segmenter, dataset)
        return score(samples, classes, args.ignore, bar), names


def classes_of(text: str | None) -> tuple[list[str] | None, int | None]:
    """(names or None, number of classes or None) from `--classes`."""
    if text is None:
        return None, None
    if text.isdecimal():
        if not 1 <= int(text) <= 255:
            raise InputError(f"--classes {text}: expected a number from 1 to 255")
        return None, int(text)
    names = read_class_names(text)
    return names, len(names)


class ProgressBar(Progress):
    """A bar with the mean IoU so far."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] = tqdm(unit="image", leave=False)

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def step(
        self,
        done: int,
        total: int | None = None,
        what: str = "",
        figures: Mapping[str, float] | None = None,
    ) -> None:
        """Move to `done` of `total` images."""
        self._bar.total = total
        shown = {name: f"{value:.3f}" for name, value in (figures or {}).items()}
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update(done - self._bar.n)
