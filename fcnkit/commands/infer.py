"""Segment images: write a mask, an overlay and the class shares of each."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from caffeformat import InputError, listed
from caffeformat.files import claimed_folder, refuse_overlap
from fcnkit.datasets import other_files
from fcnkit.images import IMAGE_SUFFIXES
from fcnkit.inference import SCORE_TYPES, check_outputs, find_images, segment_files

from .arguments import basics, devices, evaluation, network, pixels
from .arguments.basics import positive
from .console import Console

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from fcnkit.inference import Result

    from .arguments.basics import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    parser.input.option("images", "images, or folders of them", "IMAGE", nargs="+")
    basics.add_output(parser)
    parser.output.option(
        "--opacity",
        "opacity of the classes in the overlay, up to 1",
        "SHARE",
        positive(float),
        default=0.6,
    )
    parser.output.option(
        "--save-scores",
        "also save the scores of all classes as NumPy's .npz, without a value as float16",
        otherwise="save none",
        nargs="?",
        const="float16",
        choices=sorted(SCORE_TYPES),
    )
    parser.output.flag(
        "--confidence",
        "also write the probability of each pixel's class as a grey PNG, 255 for certain",
    )
    parser.output.option(
        "--at-least",
        "leave out pixels whose class has a smaller probability, 0 to 1: 255 in the mask",
        "P",
        float,
    )
    pixels.add_bands(parser.output, "the run's, otherwise the first three")
    basics.add_force(parser)
    network.add_network(parser)
    devices.add_precision(parser)
    evaluation.add_evaluation(parser)


def run(args: argparse.Namespace) -> int:
    """Segment every image; return 1 where one could not be segmented."""
    images = find_images(args.images)
    if args.opacity > 1:
        raise InputError(f"--opacity {args.opacity:g}: expected at most 1")
    if args.at_least is not None and not 0 <= args.at_least <= 1:
        raise InputError(f"--at-least {args.at_least:g}: expected a probability from 0 to 1")
    refuse_overlap(args.output, [path for path in args.images if os.path.isdir(path)])
    with claimed_folder(args.output):
        check_outputs(images, args.output, args.save_scores, args.force, args.confidence)
        return _segment(args, images)


def _segment(args: argparse.Namespace, images: Mapping[str, str]) -> int:
    """Write the results of every image; return 1 where one could not be segmented."""
    trained = network.trained_net(args)
    segmenter = network.segmenter(args, trained)
    assert trained.palette is not None
    failed, noted = 0, 0
    results = segment_files(
        segmenter,
        images,
        args.output,
        trained.palette,
        trained.names,
        args.opacity,
        args.save_scores,
        trained.bands,
        args.confidence,
        args.at_least,
    )
    # Closed before the folder is given up: results under way are finished even after Ctrl-C.
    with contextlib.closing(results), Console() as console:
        for folder in filter(os.path.isdir, args.images):
            others = other_files(folder)
            if others:
                console.note(
                    f"{folder}: left out {listed(others)}: no image by its suffix "
                    f"({' '.join(IMAGE_SUFFIXES)})"
                )
        for number, result in enumerate(results, 1):
            warning = network.unmatched_warning(segmenter, trained.weights)
            if number == 1 and warning:
                console.warn(warning)
            for note in segmenter.notes[noted:]:
                console.note(note)
                noted += 1
            console.step(number, len(images))
            console.line(describe(result))
            failed += result.error is not None
    return 1 if failed else 0


def describe(result: Result) -> str:
    """Describe a `Result` in one line: the image's size and the shares of its classes."""
    if result.error is not None:
        return f"error: {result.error.for_command_line()}"
    shares = ", ".join(f"{entry.name} {100 * entry.share:.1f}%" for entry in result.entries)
    width, height = result.size or (0, 0)
    return f"{result.name}  {width}x{height}  {shares}"
