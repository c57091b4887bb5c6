"""The arguments that say what labels mean: class names, their number, and colours."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from caffeformat import InputError
from fcnkit.images import read_class_names, read_palette

if TYPE_CHECKING:
    import argparse

    import numpy as np
    from numpy.typing import NDArray

    from .basics import CommandParser


class Classes(NamedTuple):
    """What `--classes` says."""

    names: list[str] | None  # None: only their number is known
    count: int


def add_classes(parser: CommandParser, default: str) -> None:
    """Declare `--classes`; `default` says what holds without it."""
    parser.data.add_argument(
        "--classes",
        metavar="FILE|N",
        help="class names, one per line, `voc` for PASCAL VOC's, or just the number of classes "
        f"(default: {default})",
    )


def add_palette(parser: CommandParser, default: str) -> None:
    """Declare `--palette`; `default` says what holds without it."""
    parser.data.add_argument(
        "--palette",
        metavar="FILE",
        help="class colours to paint with: text with `R G B` per line, a paletted image, or `voc` "
        f"(default: {default})",
    )


def add_colour_map(parser: CommandParser) -> None:
    """Declare `--colour-map`."""
    parser.data.add_argument(
        "--colour-map",
        "--color-map",
        metavar="FILE",
        help="class colours of RGB labels: text with `R G B` per line, a paletted image, or `voc` "
        "(default: labels hold class indices)",
    )


def parse_classes(text: str) -> Classes:
    """Return the classes that a value of `--classes` names."""
    if text.isdecimal() and not os.path.exists(text):
        if not 1 <= int(text) <= 255:
            raise InputError(f"--classes {text}: expected a number from 1 to 255")
        return Classes(None, int(text))
    names = read_class_names(text)
    return Classes(names, len(names))


def class_names(args: argparse.Namespace) -> list[str] | None:
    """Return the class names of `--classes`, or those of the folder `args.data`, or None."""
    if args.classes is None:
        own = os.path.join(args.data, "classes.txt") if args.data else ""
        return read_class_names(own) if os.path.exists(own) else None
    names, count = parse_classes(args.classes)
    return names or [f"class {i}" for i in range(count)]


def colour_map(args: argparse.Namespace) -> NDArray[np.uint8] | None:
    """Return the colours of RGB labels, 256 x 3 uint8, or None."""
    return None if args.colour_map is None else read_palette(args.colour_map)
