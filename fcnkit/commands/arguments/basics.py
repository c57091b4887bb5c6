"""The parser of a command, and the arguments that mean the same in every command."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from caffeformat import InputError
from caffeformat.files import check_writable, is_stream
from caffeformat.messages import FORKS
from fcnkit.files import write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Number = TypeVar("Number", int, float)


class Group:
    """One group of a command's arguments, shown under a heading of its own in the help."""

    def __init__(self, arguments: argparse._ActionsContainer) -> None:
        self._arguments = arguments

    def option(
        self,
        names: str,
        text: str,
        metavar: str | tuple[str, ...] | None = None,
        kind: Callable[[str], Any] | None = None,
        *,
        otherwise: str | None = None,
        **settings: Any,
    ) -> argparse.Action:
        """Declare an argument that takes a value; returns it.

        names: its spellings, separated by spaces, or the name of a positional argument; text: its
        help, to which the default is added; kind: makes the value from its text; otherwise: what
        holds without the argument, where its default does not say so itself; settings: further
        arguments of `add_argument`.
        """
        if otherwise is not None:
            text = f"{text} (default: {otherwise})"
        elif settings.get("default") not in (None, [], argparse.SUPPRESS):
            text = f"{text} (default: %(default)s)"
        if kind is not None:
            settings["type"] = kind
        return self._arguments.add_argument(*names.split(), help=text, metavar=metavar, **settings)

    def flag(self, names: str, text: str) -> None:
        """Declare an option that takes no value, off unless given."""
        self._arguments.add_argument(*names.split(), action="store_true", help=text)

    def exclusive(self) -> Group:
        """Return a group within this one, of whose options at most one may be given."""
        return Group(self._arguments.add_mutually_exclusive_group())


class CommandParser(argparse.ArgumentParser):
    """The parser of one command: its help lists the same groups in the same order for all.

    A command adds its arguments, positional ones too, to the groups `input`, `output`, `network`,
    `data`, `options`, `evaluation` and `engine`; the help leaves out empty groups.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(add_help=False, **kwargs)
        self.input = self.group("input")
        self.output = self.group("output")
        self.network = self.group("network")
        self.data = self.group("data")
        options = self.add_argument_group("options")
        options.add_argument("-h", "--help", action="help", help="show this help and exit")
        self.options = Group(options)
        self.evaluation = self.group("evaluation")
        self.engine = self.group("engine")
        self.output_position: argparse.Action | None = None
        # Whether some positions may be left out: argparse would leave them out behind any option,
        # unless it parses the options alone first, which it does by calling `parse_known_args`.
        self.has_optional_positions = False
        self._is_nested = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as argparse does; `-o PATH` stands for the position of the output where given."""
        if self._is_nested:
            return super().parse_known_args(args, namespace)
        given = sys.argv[1:] if args is None else list(args)
        position = self.output_position
        if position is not None and any(map(_is_output, given)):
            # Optional for this call only: an optional position takes no value behind an option.
            position.nargs, position.required, position.default = "?", False, argparse.SUPPRESS
        if not self.has_optional_positions:
            return super().parse_known_args(given, namespace)
        self._is_nested = True
        try:
            return self.parse_known_intermixed_args(given, namespace)
        finally:
            self._is_nested = False

    def group(self, title: str) -> Group:
        """Add a group of arguments under the heading `title`."""
        return Group(self.add_argument_group(title))

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


def _is_output(text: str) -> bool:
    """Whether an argument begins `-o/--output`, in any spelling that argparse takes."""
    name = text.partition("=")[0]
    is_short = text.startswith("-o") and not text.startswith("--")
    return is_short or (len(name) > len("--o") and "--output".startswith(name))


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
    parser: CommandParser, what: str = "folder for the results", *aliases: str, **settings: Any
) -> None:
    """Declare `-o/--output`; `aliases` are older spellings of it, `settings` those of `option`."""
    names = " ".join(["-o", "--output", *aliases])
    parser.output.option(names, what, "PATH", **{"required": True, **settings})


def add_output_position(parser: CommandParser, what: str) -> None:
    """Declare the output of a command that converts INPUT into OUTPUT: a position, or `-o`."""
    parser.output_position = parser.output.option("output", what, "OUTPUT")
    parser.output.option(
        "-o --output", "another way to name OUTPUT", "PATH", default=argparse.SUPPRESS
    )


def add_data(parser: CommandParser, *, required: bool = False) -> None:
    """Declare `--data`."""
    parser.data.option(
        "--data", "dataset folder, such as an output of create_lmdb", "FOLDER", required=required
    )


def add_force(parser: CommandParser, what: str = "replace existing output") -> None:
    """Declare `--force`, which does `what`."""
    parser.output.flag("--force", what)


def add_json(parser: CommandParser) -> None:
    """Declare `--json`, for `write_json_output`."""
    parser.output.option(
        "--json", "also write the results as JSON; - prints them, and nothing else", "FILE"
    )


def write_json_output(args: argparse.Namespace, data: object) -> None:
    """Write `data` where `--json` says, if it says anything."""
    if args.json == "-":
        # JSON escapes control characters itself, in its own way, but for this one.
        sys.stdout.write(json.dumps(data, indent=1, allow_nan=False).replace("\x7f", "\\u007f"))
        sys.stdout.write("\n")
    elif args.json:
        write_json(args.json, data)


def refuse_existing(args: argparse.Namespace, *paths: str | None) -> None:
    """Raise `InputError` where nothing can be written to one of `paths`.

    Or where a file exists there and `--force` is not given; streams, such as /dev/stdout, hold
    nothing that could be lost.
    """
    for path in paths:
        if not path or path == "-":
            continue
        if os.path.exists(path) and not args.force and not is_stream(path):
            raise InputError(f"{path} exists already: choose another name, or pass --force")
        check_writable(path)


def refuse_given(args: argparse.Namespace, names: Sequence[str], why: str) -> None:
    """Raise `InputError`, which says `why`, where one of the options `names` is given."""
    for name in names:
        if getattr(args, name):
            raise InputError(f"--{name.replace('_', '-')} {why}")


def add_fork(parser: CommandParser) -> None:
    """Declare `--fork`, which `commands.main` applies to whatever nets the command reads."""
    parser.network.option(
        "--fork",
        "the Caffe fork that wrote the nets; needed for binary ones, and for texts whose BN "
        "could be SegNet's or PSPNet's",
        otherwise="BVLC Caffe",
        choices=list(FORKS),
    )


def add_engine(parser: CommandParser) -> None:
    """Declare `--gpu` and `--allow-python`."""
    parser.engine.option("--gpu", "number of the GPU to compute on", "N", int, otherwise="the CPU")
    add_allow_python(parser)


def add_allow_python(parser: CommandParser) -> None:
    """Declare `--allow-python`."""
    parser.engine.option(
        "--allow-python",
        "let nets run Python layers of this module; may be repeated",
        "MODULE",
        default=[],
        action="append",
    )


def add_seed(parser: CommandParser, default: int) -> None:
    """Declare `--seed`."""
    parser.options.option("--seed", "seed of all random numbers", "N", int, default=default)


def add_workers(parser: CommandParser, default: int) -> None:
    """Declare `--workers`."""
    parser.options.option(
        "--workers",
        "number of processes",
        "N",
        positive(int),
        default=default,
        otherwise="one per processor",
    )
