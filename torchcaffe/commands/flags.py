"""Command-line flags as Caffe's tools take them.

A flag has one dash or two, its value follows after `=` or as the next argument, and flags and
other arguments may come in any order; `--` ends the flags. Flags that are true or false take no
next argument: `-gray`, `-nogray`, `-gray=false`.
"""

import difflib
import types

from caffeformat import InputError

_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")


class Flag:
    """A flag's name (without dashes), default and description; the default's type is its type."""

    def __init__(self, name, default, text):
        self.name, self.default, self.text = name, default, text

    def convert(self, value):
        """The string `value` as this flag's type; `InputError` where it is none."""
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


def parse_flags(argv, flags):
    """(namespace with a value for each of `flags`, list of the other arguments).

    Raises `InputError` for a flag that is not among them, with the nearest name.
    """
    known = {flag.name: flag for flag in flags}
    values = {flag.name: flag.default for flag in flags}
    others, waiting = [], list(argv)
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
    return types.SimpleNamespace(**values), others


def describe_flags(flags):
    """The lines of a help text that tell the flags, their meaning and their defaults."""
    width = max((len(flag.name) for flag in flags), default=0) + 2
    lines = []
    for flag in flags:
        default = "" if flag.default in ("", False) else f" (default: {flag.default})"
        lines.append(f"  -{flag.name:{width}}{flag.text}{default}")
    return "\n".join(lines)


def _unknown(argument, name, known):
    near = difflib.get_close_matches(name, known, 1)
    hint = f" Did you mean -{near[0]}?" if near else ""
    names = ", ".join(f"-{name}" for name in known)
    return f"there is no flag {argument}.{hint} Flags of this command: {names or 'none'}."
