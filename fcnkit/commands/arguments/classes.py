"""The arguments that say what labels mean: class names, their number, and colours."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from caffeformat import InputError, brief, whole_number
from fcnkit.images import (
    colour_map_names,
    count_colours,
    read_class_names,
    read_colour_map,
    read_palette,
    voc_class_names,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from .basics import CommandParser


def add_classes(parser: CommandParser, default: str, palette: str | None = None) -> None:
    """Declare `--classes`, and `--palette` where it is used; the texts say what holds without."""
    parser.data.option(
        "--classes",
        "class names, one per line, `voc` for PASCAL VOC's, or just the number of classes",
        "FILE|N",
        otherwise=default,
    )
    if palette is not None:
        text = "class colours to paint with: text with `R G B` per line, a paletted image, or `voc`"
        parser.data.option("--palette", text, "FILE", otherwise=palette)


def add_colour_map(parser: CommandParser) -> None:
    """Declare `--colour-map`."""
    parser.data.option(
        "--colour-map --color-map",
        "class colours of labels: text with `R G B` per line (and `ignore` after a colour to "
        "ignore), a class table, a paletted image, `voc`, or `binary` for black and white",
        "FILE",
        otherwise="labels hold class indices",
        dest="colours",
    )


def parse_classes(text: str) -> tuple[list[str] | None, int]:
    """Return (names or None, number of classes) from a value of `--classes`."""
    if text.isdecimal() and not os.path.exists(text):
        count = whole_number(text)
        if count is None or not 1 <= count <= 255:
            raise InputError(f"--classes {brief(text)}: expected a number from 1 to 255")
        return None, count
    names = read_class_names(text)
    return names, len(names)


def class_names(args: argparse.Namespace) -> list[str] | None:
    """Return the class names of `--classes`, those of the folder `args.data`, or the colour map's.

    None without any of them. Raises `InputError` if the folder has the given names in another
    order, which its labels have, too.
    """
    path = os.path.join(args.data, "classes.txt") if args.data else ""
    if args.classes is None:
        if os.path.exists(path):
            return read_class_names(path)
        return None if args.colours is None else colour_map_names(args.colours)
    names = numbered_names(args)
    own = None
    if args.colours is None and os.path.exists(path):
        with contextlib.suppress(InputError):  # other names are given to get by a damaged file
            own = read_class_names(path)
    if names is not None and own is not None and names != own and set(names) == set(own):
        raise InputError(
            f"--classes {args.classes}: has the classes of {path} in another order, and labels "
            "hold the order of that file: pass no --classes, or correct one of them"
        )
    return names


def numbered_names(args: argparse.Namespace) -> list[str] | None:
    """Return the class names of `--classes`: `class 0`, ... for a number, None without it."""
    if args.classes is None:
        return None
    names, count = parse_classes(args.classes)
    return names or [f"class {i}" for i in range(count)]


def names_and_palette(
    args: argparse.Namespace,
) -> tuple[list[str] | None, NDArray[np.uint8] | None]:
    """Return what `--classes` and `--palette` say; None for what is not given."""
    return numbered_names(args), read_palette(args.palette) if args.palette else None


def colour_map(
    args: argparse.Namespace, names: Sequence[str] | None = None
) -> NDArray[np.uint8] | None:
    """Return the colours of labels, N x 3 uint8, or None; refuse those of others than `names`."""
    colours = None if args.colours is None else read_colour_map(args.colours)
    if names is not None and colours is not None and len(names) > count_colours(colours):
        raise InputError(
            f"there are {len(names)} class names but only {count_colours(colours)} colours in the "
            "colour map: each class needs its colour, in the same order"
        )
    check_order(args, names)
    return colours


def check_order(args: argparse.Namespace, names: Sequence[str] | None) -> None:
    """Refuse a colour map that names its classes in another order than `names`."""
    own = None if args.colours is None else colour_map_names(args.colours)
    if args.colours == "voc" and names is not None and set(names) == set(voc_class_names()):
        own = voc_class_names()
    if own is None or names is None:
        return
    moved = [name for name in own if name in names and own.index(name) != list(names).index(name)]
    if moved:
        raise InputError(
            f"{args.colours}: class {moved[0]!r} is on line {own.index(moved[0])} of the colour "
            f"map, counted from 0, but {list(names).index(moved[0])} in the class names "
            f"({', '.join(names)}): put one of them into the other's order, or, if the colours are "
            "in the order of the names already, pass a colour map without names, `R G B` per line"
        )
