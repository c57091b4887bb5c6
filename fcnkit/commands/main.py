"""The `fcnkit` command: a table of commands, and errors turned into an exit status.

A command is a module with a docstring whose first line says what it does, `add_arguments(parser)`
and `run(args)`, which leaves `args` as they are and returns the exit status (None for 0). It is
imported only when it is run, so that `fcnkit --help` loads no engine.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.util
import os
import sys
import warnings
from typing import TYPE_CHECKING, TextIO

import fcnkit
from caffeformat import InputError, printable
from caffeformat.messages import FieldWarning, assuming_fork

from .arguments.basics import CommandParser
from .printing import say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

# command -> module, under the headings of `fcnkit --help`
SECTIONS = {
    "data": {
        "download": "fcnkit.commands.download",
        "prepare_data": "fcnkit.commands.prepare_data",
        "prepare_pascal_voc_data": "fcnkit.commands.prepare_pascal_voc_data",
        "prepare_sbd_data": "fcnkit.commands.prepare_sbd_data",
        "prepare_pascal_context_data": "fcnkit.commands.prepare_pascal_context_data",
        "prepare_nyud_data": "fcnkit.commands.prepare_nyud_data",
        "prepare_siftflow_data": "fcnkit.commands.prepare_siftflow_data",
        "prepare_coco_data": "fcnkit.commands.prepare_coco_data",
        "prepare_extension_data": "fcnkit.commands.prepare_extension_data",
        "create_lmdb": "fcnkit.commands.create_lmdb",
        "check_dataset": "fcnkit.commands.check_dataset",
    },
    "networks and weights": {
        "net_surgery": "fcnkit.commands.net_surgery",
        "check_crops": "fcnkit.commands.check_crops",
        "edit_weights": "fcnkit.commands.edit_weights",
        "convert_weights": "fcnkit.commands.convert_weights",
        "export": "fcnkit.commands.export",
        "draw_net": "fcnkit.commands.draw_net",
    },
    "training": {
        "train": "fcnkit.commands.train",
        "train_stages": "fcnkit.commands.train_stages",
        "plot_runs": "fcnkit.commands.plot_runs",
    },
    "trained networks": {
        "infer": "fcnkit.commands.infer",
        "score": "fcnkit.commands.score",
        "pack_voc_results": "fcnkit.commands.pack_voc_results",
        "compare_models": "fcnkit.commands.compare_models",
        "compare_engines": "fcnkit.commands.compare_engines",
        "preview": "fcnkit.commands.preview",
        "serve": "fcnkit.commands.serve",
    },
    "first steps": {
        "demo": "fcnkit.commands.demo",
        "completion": "fcnkit.commands.completion",
    },
}
COMMANDS = {name: module for commands in SECTIONS.values() for name, module in commands.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `fcnkit COMMAND ...`; returns the exit status."""
    argv = sys.argv[1:] if argv is None else list(argv)
    if "_ARGCOMPLETE" in os.environ:
        _complete(os.environ.get("COMP_LINE", "").split())
    if argv and argv[0] in COMMANDS:  # without reading what all the others do
        return run_module(COMMANDS[argv[0]], argv[1:], prog=f"fcnkit {argv[0]}")
    width = max(map(len, COMMANDS)) + 2
    listing = "\n\n".join(
        "\n".join([f"{heading}:", *(f"  {name:{width}}{summary(name)}" for name in commands)])
        for heading, commands in SECTIONS.items()
    )
    parser = argparse.ArgumentParser(
        prog="fcnkit",
        description=(fcnkit.__doc__ or "").partition("\n")[0],
        epilog=f"{listing}\n\nfcnkit COMMAND --help lists a command's options.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="fcnkit [-h] [--version] COMMAND ...",
    )
    parser.add_argument("--version", action="version", version=f"fcnkit {fcnkit.__version__}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help=argparse.SUPPRESS)
    args = parser.parse_args(argv[:1])
    return run_module(COMMANDS[args.command], argv[1:], prog=f"fcnkit {args.command}")


def summary(command: str) -> str:
    """Return what `command` does: the first line of its module's docstring, not imported."""
    spec = importlib.util.find_spec(COMMANDS[command])
    assert spec is not None and spec.origin is not None
    with open(spec.origin, encoding="utf-8") as file:
        text = ast.get_docstring(ast.parse(file.read())) or ""
    return text.partition("\n")[0].rstrip(".")


def command_parser(module: ModuleType, prog: str | None = None) -> CommandParser:
    """Return the parser of the command in `module`."""
    parser = CommandParser(prog=prog, description=(module.__doc__ or "").strip())
    module.add_arguments(parser)
    return parser


def run_module(
    module: str | ModuleType, argv: Sequence[str] | None = None, prog: str | None = None
) -> int:
    """Run one command's module with `argv`; returns the exit status.

    `module` is a module name or a module. An `InputError` or an error of the operating system is
    printed as one message, and the status is 1; Ctrl-C gives 130.
    """
    flags: dict[str, str] = {}
    try:
        if isinstance(module, str):
            module = importlib.import_module(module)
        parser = command_parser(module, prog)
        args = parser.parse_args(argv)
        flags = parser.flags()
        from fcnkit.engine import precision_of_its_own  # only what is run is imported

        fork = getattr(args, "fork", None)
        with assuming_fork(fork), precision_of_its_own(), warnings.catch_warnings():
            warnings.showwarning = _show_warning
            status: int | None = module.run(args)
            return status or 0
    except InputError as error:
        say(f"error: {error.for_command_line(flags)}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader (head, less) has gone: there is nothing to report and nowhere to write.
        sys.stderr.close()
        return 1
    except OSError as error:
        say(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("interrupted", file=sys.stderr)
        return 130


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning about a user's file as one line, one about code as Python does."""
    if issubclass(category, FieldWarning):
        text = f"warning: {message}\n"
    else:
        text = warnings.formatwarning(message, category, filename, lineno, line)
    (file or sys.stderr).write(printable(text))


def _complete(words: Sequence[str]) -> None:
    """Answer the shell that asks how `words` may go on (see the command `completion`), and exit."""
    import argcomplete

    parser = argparse.ArgumentParser(prog="fcnkit")
    parser.add_argument("--version", action="version", version=fcnkit.__version__)
    commands = parser.add_subparsers(parser_class=CommandParser)
    for name, module in COMMANDS.items():
        command = commands.add_parser(name, help=summary(name))
        if name in words[1:2]:
            importlib.import_module(module).add_arguments(command)
    argcomplete.autocomplete(parser)
