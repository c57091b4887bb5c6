"""Turn what a data extension of DIGITS makes into image and label folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffeformat import InputError
from fcnkit.files import read_json_object

from .arguments import prepare
from .console import Console

if TYPE_CHECKING:
    import argparse

    from .arguments.basics import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    parser.input.option("extension", "id of an installed data extension", "EXTENSION")
    prepare.add_output(parser)
    parser.data.option("--form", "values of its form, a JSON object", "FILE.json", otherwise="none")


def run(args: argparse.Namespace) -> None:
    """Prepare the dataset."""
    values = {} if args.form is None else read_json_object(args.form)
    try:
        from fcnkit.web import prepare_with_extension
    except ModuleNotFoundError as error:
        raise InputError(f"extensions need {error.name}: pip install 'fcnkit[web]'") from error
    with Console("image", tells_story=True) as console:
        counts = prepare_with_extension(args.extension, values, args.output, args.force, console)
    prepare.print_counts(counts)
