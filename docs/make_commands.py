#!/usr/bin/env python3
"""Write docs/commands.md: what `--help` says of every command, at a fixed width.

    docs/make_commands.py [--check]

The text is laid out here, because argparse lays it out differently from version to version of
Python. `--check` exits with status 1 if docs/commands.md is not what this program would write.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from generated import write_or_check

from fcnkit.commands.main import SECTIONS, command_parser, summary

PAGE = Path(__file__).with_name("commands.md")
_WIDTH = 100
_COLUMN = 30

_INTRODUCTION = """\
# Commands

What `fcnkit COMMAND --help` says, command by command. `docs/make_commands.py` writes this page, and
`make lint` fails when it is out of date. Caffe's own commands, such as `torchcaffe train`, are
described in [caffe_commands.md](caffe_commands.md).
"""


def page() -> str:
    """Return the page's text."""
    parts = [_INTRODUCTION]
    for heading, commands in SECTIONS.items():
        names = (f"| [`{name}`](#{name}) | {summary(name)} |" for name in commands)
        parts.append("\n".join([f"**{heading[:1].upper()}{heading[1:]}**\n", _TABLE, *names, ""]))
    for commands in SECTIONS.values():
        parts.extend(_command(name, module) for name, module in commands.items())
    return "\n".join(parts)


_TABLE = "| command | what it does |\n| --- | --- |"


def _command(name: str, module: str) -> str:
    """Return the section of one command."""
    parser = command_parser(importlib.import_module(module), f"fcnkit {name}")
    lines = [f"## {name}", "", parser.description or "", "", "```text", *_usage(parser)]
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if _is_shown(action)]
        if actions:
            lines += ["", f"{group.title}:"]
            for action in actions:
                lines += _option(parser, action)
    lines += ["```", ""]
    if parser.epilog:
        lines += [parser.epilog, ""]
    return "\n".join(lines)


def _is_shown(action: argparse.Action) -> bool:
    return action.help != argparse.SUPPRESS and not isinstance(action, argparse._HelpAction)


def _usage(parser: argparse.ArgumentParser) -> list[str]:
    """Return the usage with the options that are required and the positional arguments."""
    words = ["[options]"]
    for action in parser._actions:
        if action.option_strings and action.required:
            words.append(f"{action.option_strings[-1]} {_arguments(parser, action)}")
    for action in parser._actions:
        if not action.option_strings:
            words.append(_arguments(parser, action))
    return textwrap.wrap(f"{parser.prog} {' '.join(words)}", _WIDTH, subsequent_indent="    ")


def _arguments(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """Return the placeholders of an action as argparse spells them: `FILE [FILE ...]`."""
    if not action.option_strings and action.nargs is None:
        return _name(parser, action)
    default = action.dest.upper() if action.option_strings else action.dest
    return parser._get_formatter()._format_args(action, default)


def _name(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """Return the placeholder of one value of a positional argument."""
    return parser._get_formatter()._metavar_formatter(action, action.dest)(1)[0]


def _option(parser: argparse.ArgumentParser, action: argparse.Action) -> Iterator[str]:
    """Yield the lines of one option: its spellings on the left, what it does on the right."""
    if action.option_strings:
        arguments = "" if action.nargs == 0 else " " + _arguments(parser, action)
        left = "  " + ", ".join(action.option_strings) + arguments
    else:
        left = "  " + _name(parser, action)
    text = parser._get_formatter()._expand_help(action) if action.help else ""
    right = textwrap.wrap(text, _WIDTH - _COLUMN, break_on_hyphens=False) or [""]
    if len(left) > _COLUMN - 2:
        yield left
    else:
        yield f"{left:{_COLUMN}}{right.pop(0)}".rstrip()
    for line in right:
        yield " " * _COLUMN + line


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, page(), "docs/make_commands.py"))
