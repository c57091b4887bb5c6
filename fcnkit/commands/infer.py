"""Segment images: write a mask, an overlay and the class shares of each."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tqdm import tqdm

from caffeformat import InputError
from fcnkit.inference import SCORE_TYPES, check_outputs, find_images, segment_files

from .arguments import network

if TYPE_CHECKING:
    import argparse

    from fcnkit.inference import Result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("images", nargs="+", help="images, or folders of them")
    parser.add_argument("--output", "-o", required=True, help="folder for the results")
    network.add_network(parser)
    network.add_classes(parser)
    parser.add_argument(
        "--opacity",
        type=network.positive(float),
        default=0.6,
        help="opacity of the classes in the overlay, up to 1 (default: 0.6)",
    )
    parser.add_argument(
        "--save-scores",
        nargs="?",
        const="float16",
        choices=sorted(SCORE_TYPES),
        help="also save the scores of all classes as NumPy's .npz (default type: float16)",
    )
    parser.add_argument("--force", action="store_true", help="overwrite existing results")


def run(args: argparse.Namespace) -> int:
    """Segment every image; return 1 where one could not be segmented."""
    images = find_images(args.images)
    if args.opacity > 1:
        raise InputError(f"--opacity {args.opacity:g}: expected at most 1")
    check_outputs(images, args.output, args.save_scores, args.force)
    names, palette = network.names_and_palette(args)
    segmenter = network.segmenter(args)
    failed = 0
    results = segment_files(
        segmenter, images, args.output, palette, names, args.opacity, args.save_scores
    )
    with tqdm(total=len(images), unit="image", disable=len(images) < 2) as bar:
        for number, result in enumerate(results):
            warning = network.unmatched_warning(segmenter, args.weights)
            if number == 0 and warning:
                bar.write(warning, file=sys.stderr)
            bar.update()
            bar.write(describe(result))
            failed += result.error is not None
    return 1 if failed else 0


def describe(result: Result) -> str:
    """Describe a `Result` in one line: the image's size and the shares of its classes."""
    if result.error is not None:
        return f"error: {result.error.for_command_line()}"
    shares = ", ".join(f"{entry.name} {100 * entry.share:.1f}%" for entry in result.entries)
    width, height = result.size or (0, 0)
    return f"{result.name}  {width}x{height}  {shares}"
