"""The parser of a command, and the arguments that mean the same in every command."""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING, Any, TypeVar

from caffeformat import InputError
from caffeformat.messages import FORKS
from fcnkit.files import write_json

if TYPE_CHECKING:
    from collections.abc import Callable

Number = TypeVar("Number", int, float)


class CommandParser(argparse.ArgumentParser):
    """The parser of one command: its help lists the same groups in the same order for all.

    A command adds its arguments, positional ones too, to the groups `input`, `output`, `network`,
    `data`, `options` and `engine`; the help leaves out empty groups.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(add_help=False, **kwargs)
        self.input = self.add_argument_group("input")
        self.output = self.add_argument_group("output")
        self.network = self.add_argument_group("network")
        self.data = self.add_argument_group("data")
        self.options = self.add_argument_group("options")
        self.engine = self.add_argument_group("engine")
        self.options.add_argument("-h", "--help", action="help", help="show this help and exit")

    def flags(self) -> dict[str, str]:
        """Return name -> how the command line spells it, of arguments and older spellings.

        Messages of errors use it for the library's names of what a command passes on.
        """
        found: dict[str, str] = {}
        for action in self._actions:
            long = [text for text in action.option_strings if text.startswith("--")]
            for name in (action.dest, *(text[2:].replace("-", "_") for text in long)):
                found[name] = long[0] if long else str(action.metavar or name.upper())
        return found


def positive(kind: Callable[[str], Number]) -> Callable[[str], Number]:
    """Return the type of an argument that is a `kind` (int or float) above zero."""

    def parse(text: str) -> Number:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"expected a number above 0, found {text}")
        return value

    parse.__name__ = kind.__name__  # argparse names it where the text is not a number
    return parse


def add_output(
    parser: CommandParser,
    what: str = "folder for the results",
    *aliases: str,
    default: str | None = None,
    required: bool = True,
) -> None:
    """Declare `-o/--output`; `aliases` are older spellings of it."""
    parser.output.add_argument(
        "-o", "--output", *aliases, metavar="PATH", default=default, required=required, help=what
    )


def add_output_position(parser: CommandParser, what: str) -> None:
    """Declare the output of a command that converts INPUT into OUTPUT: a positional argument."""
    parser.output.add_argument("output", metavar="OUTPUT", help=what)


def add_data(parser: CommandParser, *, required: bool = False) -> None:
    """Declare `--data`."""
    parser.data.add_argument(
        "--data",
        metavar="FOLDER",
        required=required,
        help="dataset folder, such as an output of create_lmdb",
    )


def add_force(parser: CommandParser) -> None:
    """Declare `--force`."""
    parser.output.add_argument("--force", action="store_true", help="replace existing output")


def add_json(parser: CommandParser) -> None:
    """Declare `--json`, for `write_json_output`."""
    parser.output.add_argument(
        "--json",
        metavar="FILE",
        help="also write the results as JSON; - prints them, and nothing else",
    )


def write_json_output(args: argparse.Namespace, data: object) -> None:
    """Write `data` where `--json` says, if it says anything."""
    if args.json == "-":
        print(json.dumps(data, indent=1, allow_nan=False))
    elif args.json:
        write_json(args.json, data)


def refuse_existing(args: argparse.Namespace, *paths: str | None) -> None:
    """Raise `InputError` if a file of `paths` exists and `--force` is not given."""
    for path in paths:
        if path and path != "-" and os.path.exists(path) and not args.force:
            raise InputError(f"{path} exists already: choose another name, or pass --force")


def add_fork(parser: CommandParser) -> None:
    """Declare `--fork`, which `commands.main` applies to whatever nets the command reads."""
    parser.network.add_argument(
        "--fork",
        choices=list(FORKS),
        help="the Caffe fork that wrote the nets; needed for binary ones, and for texts whose BN "
        "could be SegNet's or PSPNet's (default: BVLC Caffe)",
    )


def add_engine(parser: CommandParser) -> None:
    """Declare `--gpu` and `--allow-python`."""
    parser.engine.add_argument(
        "--gpu", type=int, metavar="N", help="number of the GPU to compute on (default: the CPU)"
    )
    add_allow_python(parser)


def add_allow_python(parser: CommandParser) -> None:
    """Declare `--allow-python`."""
    parser.engine.add_argument(
        "--allow-python",
        action="append",
        default=[],
        metavar="MODULE",
        help="let nets run Python layers of this module; may be repeated",
    )


def add_seed(parser: CommandParser, default: int) -> None:
    """Declare `--seed`."""
    parser.options.add_argument(
        "--seed",
        type=int,
        default=default,
        metavar="N",
        help="seed of all random numbers (default: %(default)s)",
    )


def add_workers(parser: CommandParser, default: int) -> None:
    """Declare `--workers`."""
    parser.options.add_argument(
        "--workers",
        type=positive(int),
        default=default,
        metavar="N",
        help="number of processes (default: one per processor)",
    )
