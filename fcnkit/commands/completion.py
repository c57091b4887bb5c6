"""Print a script that lets a shell complete fcnkit's commands and options.

For bash, add `source <(fcnkit completion bash)` to ~/.bashrc; for zsh, the same with `zsh` to
~/.zshrc; for fish, run `fcnkit completion fish > ~/.config/fish/completions/fcnkit.fish`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffeformat import InputError

if TYPE_CHECKING:
    import argparse

    from .arguments.basics import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    parser.input.option("shell", "the shell", choices=("bash", "zsh", "fish"))


def run(args: argparse.Namespace) -> None:
    """Print the script."""
    try:
        from argcomplete.shell_integration import shellcode
    except ModuleNotFoundError as error:
        raise InputError("shell completion needs argcomplete: pip install argcomplete") from error
    print(shellcode(["fcnkit"], shell=args.shell))
