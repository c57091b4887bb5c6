"""Errors written for the person who called a function or ran a command.

A command prints the message of an `InputError` without a traceback and exits with status 1;
anything else is a fault of this project and keeps its traceback.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping


class InputError(Exception):
    """Something a caller handed in cannot be used.

    The message names the file or layer, what was found, what was expected and what to do. Advice
    about an argument is a placeholder, because a Python caller and a command line spell it
    differently:

        raise InputError("too large: pass a smaller {option}", option="scale_to", value=320)

    `str(error)` reads "pass a smaller scale_to=320", `error.for_command_line()` reads "pass a
    smaller --scale-to 320". A value of None stands for any value: `weights=...` and `--weights`.
    `options` (name -> value) takes several, each with a placeholder of its own name. Other braces
    in the text stay as they are.

    Attributes: `text`, the message with its placeholders, and `options` (name -> value).
    """

    def __init__(
        self,
        text: object,
        option: str | None = None,
        value: object = None,
        *,
        options: Mapping[str, object] | None = None,
    ) -> None:
        self.text = str(text)
        self.options: dict[str, object] = dict(options or {})
        if option is not None:
            self.text = self.text.replace("{option}", "{" + option + "}")
            self.options[option] = value
        super().__init__(self._filled(_as_keyword))

    def for_command_line(self, flags: Mapping[str, str] | None = None) -> str:
        """The message for somebody who typed a command.

        `flags` (option -> flag) names the flags that are not the option's name with dashes.
        """
        known = flags or {}

        def as_flag(name: str, value: object) -> str:
            flag = known.get(name) or "--" + name.replace("_", "-")
            return f"{flag}{_words(value)}"

        return self._filled(as_flag)

    def prefixed(self, place: str) -> InputError:
        """An `InputError` with `<place>: ` before the message; the options stay."""
        return InputError(f"{place}: {self.text}", options=self.options)

    def _filled(self, render: Callable[[str, object], str]) -> str:
        """The text, with each option's placeholder replaced by `render(name, value)`."""
        if not self.options:
            return self.text
        pattern = "|".join(re.escape("{" + name + "}") for name in self.options)

        def replacement(match: re.Match[str]) -> str:
            name = match.group()[1:-1]
            return render(name, self.options[name])

        return re.sub(pattern, replacement, self.text)


class FormatError(InputError):
    """A file is not what its name or place promises.

    Attributes: `source` (a path or a name such as `<text>`), `line` and `column` (from 1, or None),
    and `problem`, the message without them.
    """

    def __init__(
        self,
        source: str | os.PathLike[str],
        problem: str,
        line: int | None = None,
        column: int | None = None,
        *,
        options: Mapping[str, object] | None = None,
    ) -> None:
        self.source, self.line, self.column = str(source), line, column
        place = self.source
        if line is not None:
            place += f":{line}" + (f":{column}" if column is not None else "")
        super().__init__(f"{place}: {problem}", options=options)
        self.problem = str(self)[len(place) + 2 :]

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own way calls the class with the message alone, and would fail in the process
        # that waits for a worker.
        arguments = self.source, self.problem, self.line, self.column
        return type(self), arguments, self.__dict__


def _as_keyword(name: str, value: object) -> str:
    """`scale_to=320` or, with any value, `scale_to=...`."""
    return f"{name}={'...' if value is None else repr(value)}"


def _words(value: object) -> str:
    """What follows a flag on a command line: nothing for None and True."""
    if value is None or value is True:
        return ""
    values = value if isinstance(value, (list, tuple)) else [value]
    return "".join(f" {shlex.quote(str(each))}" for each in values)
