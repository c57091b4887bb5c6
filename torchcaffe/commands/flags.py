"""Command-line flags as Caffe's tools take them.

A flag has one dash or two, its value follows after `=` or as the next argument, and flags and
other arguments may come in any order; `--` ends the flags. Boolean flags take no next argument:
`-gray`, `-nogray`, `-gray=false`.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable, Sequence
from typing import Union

from caffeformat import InputError

_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")

Value = Union[bool, int, str]


class Flags(types.SimpleNamespace):
    """The values of a command's flags, as attributes under the flags' names."""


class Flag:
    """A flag's name (without dashes), default, description and the group that help lists it in.

    The type of the default is the type of its values.
    """

    def __init__(self, name: str, default: Value, text: str, group: str = "flags") -> None:
        self.name, self.default, self.text, self.group = name, default, text, group

    def convert(self, value: str) -> Value:
        """Convert the string `value` to this flag's type; raises `InputError` if it cannot be."""
        if isinstance(self.default, bool):
            if value.lower() not in _TRUE + _FALSE:
                raise InputError(f'-{self.name} is "{value}"; expected true or false.')
            return value.lower() in _TRUE
        if isinstance(self.default, int):
            try:
                return int(value, 0)
            except ValueError:
                raise InputError(f'-{self.name} is "{value}"; expected a whole number.') from None
        return value


def parse_flags(argv: Sequence[str], flags: Iterable[Flag]) -> tuple[Flags, list[str]]:
    """Parse `argv`: the values of all `flags`, and the other arguments.

    Raises `InputError` for a flag that is not among them, naming the nearest one.
    """
    known = {flag.name: flag for flag in flags}
    values = {name: flag.default for name, flag in known.items()}
    others: list[str] = []
    waiting = list(argv)
    while waiting:
        argument = waiting.pop(0)
        if argument == "--":
            others += waiting
            break
        if not argument.startswith("-") or argument == "-":
            others.append(argument)
            continue
        name, equals, value = argument.lstrip("-").partition("=")
        flag = known.get(name)
        if flag is None and name.startswith("no") and not equals:
            flag = known.get(name[2:])
            if flag is not None and isinstance(flag.default, bool):
                values[flag.name] = False
                continue
            flag = None
        if flag is None:
            raise InputError(_unknown(argument, name, known))
        if not equals and isinstance(flag.default, bool):
            value = "true"
        elif not equals:
            if not waiting:
                raise InputError(f"{argument} needs a value: {flag.text}.")
            value = waiting.pop(0)
        values[name] = flag.convert(value)
    return Flags(**values), others


def describe_flags(flags: Sequence[Flag]) -> str:
    """Format a help text of the flags, group by group, with their meanings and defaults."""
    width = max((len(flag.name) for flag in flags), default=0) + 2
    groups: dict[str, list[str]] = {}
    for flag in flags:
        hidden = flag.default == "" or flag.default is False
        default = "" if hidden else f" (default: {flag.default})"
        line = f"  -{flag.name:{width}}{flag.text}{default}"
        groups.setdefault(flag.group, []).append(line)
    return "\n\n".join("\n".join([f"{group}:", *lines]) for group, lines in groups.items())


def _unknown(argument: str, name: str, known: Iterable[str]) -> str:
    """Say that a flag is unknown, which one is nearest, and which there are."""
    near = difflib.get_close_matches(name, known, 1)
    hint = f" Did you mean -{near[0]}?" if near else ""
    names = ", ".join(f"-{name}" for name in known)
    return f"there is no flag {argument}.{hint} Flags of this command: {names or 'none'}."
