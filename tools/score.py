#!/usr/bin/env python3
"""Score a network on a dataset, or a folder of masks against a folder of labels."""

import os
import sys

from tqdm import tqdm

from caffeformat import InputError
from fcnkit import cli, reports
from fcnkit.classes import read_class_names
from fcnkit.datasets import FolderDataset, open_dataset
from fcnkit.palette import read_palette
from fcnkit.scoring import VOC_COUNT, masks_and_labels, names_for, predictions_and_labels, score
from fcnkit.tools import options


def add_arguments(parser):
    """Declare the command's arguments."""
    data = parser.add_argument_group("what to score")
    data.add_argument("--data", help="dataset folder: train_db/val_db, or train/val with folders")
    data.add_argument("--split", default="val", help="which part of --data: train or val (val)")
    data.add_argument("--images", help="folder of images, in place of --data")
    data.add_argument("--predictions", help="folder of masks, in place of a network")
    data.add_argument("--labels", help="folder of labels, for --images or --predictions")
    data.add_argument(
        "--colour-map",
        metavar="FILE",
        help="the classes' colours, for RGB labels or masks: text with `R G B` a line, a paletted "
        "image, or `voc`",
    )
    data.add_argument("--ignore", type=int, default=255, help="label that is not counted (255)")
    data.add_argument(
        "--classes",
        metavar="FILE|N",
        help="class names, one a line, `voc`, or their number (those of --data, else VOC's 21)",
    )
    options.add_network(parser)
    result = parser.add_argument_group("results")
    result.add_argument("--json", metavar="FILE", help="write all scores as JSON")
    result.add_argument(
        "--csv",
        metavar="PREFIX",
        help="write PREFIX_classes.csv, PREFIX_images.csv and PREFIX_confusion.csv",
    )
    result.add_argument("--force", action="store_true", help="overwrite these files")


def run(args):
    """Score, print the table, write what was asked for."""
    targets = ([args.json] if args.json else []) + (reports.csv_paths(args.csv) if args.csv else [])
    for path in targets:
        if os.path.exists(path) and not args.force:
            raise InputError(f"{path} is there already: choose another name, or say --force")
    colours = read_palette(args.colour_map) if args.colour_map else None
    if args.predictions:
        board, names = score_masks(args, colours)
    else:
        board, names = score_network(args, colours)
    print(reports.format_scores(board, names))
    if args.json:
        reports.write_json(args.json, reports.scores_as_dict(board, names))
    if args.csv:
        reports.write_csv(args.csv, board, names)


def score_masks(args, colours):
    """Score `--predictions` against `--labels`: (Scoreboard, class names or None)."""
    if not args.labels or options.has_network(args) or args.data or args.images:
        raise InputError("--predictions goes with --labels, and with no network and no --data")
    names, count = classes_of(args.classes)
    count = count or VOC_COUNT
    with ProgressBar() as bar:
        samples = masks_and_labels(args.predictions, args.labels, colours)
        return score(samples, count, args.ignore, bar.show), names_for(count, names)


def score_network(args, colours):
    """Score `--net` with `--weights` on a dataset: (Scoreboard, class names or None)."""
    if not options.has_network(args):
        raise InputError(
            "give a network (--net and --weights, --run or --digits-model) or masks (--predictions)"
        )
    if args.data and not (args.images or args.labels):
        dataset = open_dataset(args.data, args.split, colours)
    elif args.images and args.labels and not args.data:
        dataset = FolderDataset(args.images, args.labels, colours=colours)
    else:
        raise InputError("give the images to score: --data FOLDER, or --images and --labels")
    segmenter = options.segmenter(args)
    names, count = classes_of(args.classes)
    with dataset, ProgressBar() as bar:
        classes = segmenter.classes(dataset.image(0), dataset.ids[0])
        warning = options.unmatched_warning(segmenter, args.weights)
        if warning:
            print(warning, file=sys.stderr)
        if count and count != classes:
            raise InputError(f"the network scores {classes} classes, --classes says {count}")
        if names is None and dataset.classes and len(dataset.classes) == classes:
            # A dataset may know fewer classes than the network: then its names are left aside.
            names = dataset.classes
        names = names_for(classes, names)
        samples = predictions_and_labels(segmenter, dataset)
        return score(samples, classes, args.ignore, bar.show), names


def classes_of(text):
    """(names or None, number of classes or None) from `--classes`."""
    if text is None:
        return None, None
    if text.isdecimal():
        if not 1 <= int(text) <= 255:
            raise InputError(f"--classes {text}: expected a number from 1 to 255")
        return None, int(text)
    names = read_class_names(text)
    return names, len(names)


class ProgressBar(tqdm):
    """A bar that shows the mean IoU so far; `score` calls `show`."""

    def __init__(self):
        super().__init__(unit="image", leave=False)

    def show(self, done, total, board):
        """Move to `done` of `total` images."""
        self.total = total
        self.set_postfix(mean_iou=f"{board.matrix.mean_iou:.3f}", refresh=False)
        self.update(done - self.n)


if __name__ == "__main__":
    sys.exit(cli.run_module(sys.modules[__name__]))
