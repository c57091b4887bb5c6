"""The arguments of commands that read images and labels from one folder or from two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffeformat import InputError

if TYPE_CHECKING:
    import argparse

    from .basics import CommandParser


def add_image_folders(parser: CommandParser, layout: str, images: str = "images") -> None:
    """Declare `DATA` (`layout` describes it), and `--images` and `--labels` in place of it."""
    parser.input.option("data", f"folder with {layout}", "DATA", nargs="?")
    _add_pair(parser, "", f"{images}, instead of DATA")


def add_val_folders(parser: CommandParser) -> None:
    """Declare `--val-images` and `--val-labels`."""
    _add_pair(parser, "val-", "validation images, for --images")


def check_image_folders(args: argparse.Namespace) -> None:
    """Refuse folders of images without labels, and DATA together with `--images`, or neither."""
    for prefix in ("", "val_"):
        given = [getattr(args, prefix + kind, None) for kind in ("images", "labels")]
        if bool(given[0]) != bool(given[1]):
            names = {prefix + kind: None for kind in ("images", "labels")}
            first, second = (f"{{{name}}}" for name in names)
            raise InputError(f"{first} and {second} go together: pass both", options=names)
    if bool(args.data) == bool(args.images):
        options = {"data": None, "images": None, "labels": None}
        raise InputError("pass either {data} or both {images} and {labels}", options=options)


def _add_pair(parser: CommandParser, prefix: str, images: str) -> None:
    parser.input.option(f"--{prefix}images", f"folder of {images}", "FOLDER")
    parser.input.option(
        f"--{prefix}labels", f"folder of labels with the same names, for --{prefix}images", "FOLDER"
    )
