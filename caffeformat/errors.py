"""Errors written for the person who called a function or ran a command.

A command prints the message of an `InputError` without a traceback and exits with status 1;
anything else is a fault of this project and keeps its traceback.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import reprlib
import shlex
import struct
import tokenize
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

try:
    from lzma import LZMAError
except ImportError:  # a Python that was built without liblzma
    LZMAError = EOFError  # type: ignore[assignment, misc]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


class InputError(Exception):
    """Something a caller handed in cannot be used.

    The message names the file or layer, what was found, what was expected and what to do. Advice
    about an argument is a placeholder, because a Python caller and a command line spell it
    differently:

        raise InputError("too large: pass a smaller {option}", option="scale_to", value=320)

    `str(error)` reads "pass a smaller scale_to=320", `error.for_command_line()` reads "pass a
    smaller --scale-to 320". A value of None stands for any value: `weights=...` and `--weights`.
    `options` (name -> value) takes several, each with a placeholder of its own name. Other braces
    in the text stay as they are. A placeholder of several names, `{scale_to|window|less}`, stands
    for any of these options that the caller has, joined by "or"; its last word or words, no option,
    for none of them.

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
        self.text = _shortened(str(text))
        self.options: dict[str, object] = dict(options or {})
        if option is not None:
            self.text = self.text.replace("{option}", "{" + option + "}")
            self.options[option] = value
        super().__init__(self._filled(_as_keyword, None))

    def for_command_line(self, flags: Mapping[str, str] | None = None) -> str:
        """The message for somebody who typed a command.

        `flags` (option -> flag) names the flags that are not the option's name with dashes, and of
        several alternatives those that there are; without it all count as there.
        """
        known = flags or {}

        def as_flag(name: str, value: object) -> str:
            flag = known.get(name) or "--" + name.replace("_", "-")
            return f"{flag}{_words(value)}"

        return self._filled(as_flag, flags)

    def prefixed(self, place: str) -> InputError:
        """An `InputError` with `<place>: ` before the message; the options stay."""
        return InputError(f"{place}: {self.text}", options=self.options)

    def _filled(self, render: Callable[[str, object], str], there: Mapping[str, str] | None) -> str:
        """The text, with each option's placeholder replaced by `render(name, value)`.

        `there` holds the options that of several alternatives are offered, None for all.
        """
        if not self.options:
            return self.text
        names = "|".join(map(re.escape, self.options))
        pattern = rf"\{{((?:{names})(?:\|[^{{}}|]+)*)\}}"

        def replacement(match: re.Match[str]) -> str:
            first, *others = match.group(1).split("|")
            known = [name for name in (first, *others) if name in self.options]
            if others and there is not None:
                known = [name for name in known if name in there]
            made = [render(name, self.options[name]) for name in known]
            return ", or ".join(made) if made else others[-1]

        return re.sub(pattern, replacement, self.text)


def _shortened(text: str) -> str:
    """`text` without its middle where that is longer than anybody reads.

    What damaged files hold, a shape of a million axes or a number of as many digits, is part of
    messages.
    """
    start, end = _MOST_MESSAGE
    left_out = len(text) - start - end
    if left_out < end:  # a place before a message that was shortened does not shorten it again
        return text
    return f"{text[:start]} ... ({left_out} characters) ... {text[-end:]}"


# Characters of a message: of its beginning, with a path of any length, and of its end
_MOST_MESSAGE = 6000, 1000


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


# What Python and its libraries raise for input that is damaged or made to harm: numbers too large
# for their place, data nested too deeply, compressed data that is none, and whatever follows from
# values that are not what they should be.
DAMAGE: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    LZMAError,
    MemoryError,
    OSError,
    RuntimeError,  # and with it RecursionError and NotImplementedError
    SyntaxError,
    TypeError,
    ValueError,  # and with it UnicodeError and JSONDecodeError
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


@contextlib.contextmanager
def reading(
    source: str | os.PathLike[str], problem: str = "is damaged or of another kind"
) -> Iterator[None]:
    """Around the code that reads `source`: whatever its content makes that raise is our error.

    An `InputError` passes through unchanged. An error of the operating system becomes an
    `InputError` that names `source`; any other of `DAMAGE` a `FormatError` "<source>: <problem>
    (<reason>)".
    """
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{os.fspath(source)}: no such file") from None
    except DAMAGE as error:
        if isinstance(error, OSError) and error.strerror and error.errno not in _SENSELESS:
            raise InputError(f"{os.fspath(source)}: cannot be read: {error.strerror}") from error
        raise FormatError(source, f"{problem} ({reason(error)})") from error


def reason(error: BaseException) -> str:
    """Why an exception was raised, in a few words: its text is shortened, an empty one named."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, MemoryError):
        return "it would need more memory than there is"
    if isinstance(error, KeyError) and error.args:
        return f"there is no {brief(error.args[0])}"
    try:
        text = str(error)
    except DAMAGE:
        text = ""
    if "set_int_max_str_digits" in text:
        return "a number of thousands of digits"
    text = _OBJECT.sub("", " ".join(text[:1000].split())).rstrip(" :")
    if len(text) > _MOST_WORDS:
        text = text[: _MOST_WORDS - 3] + "..."
    return text or type(error).__name__


# What the system answers to places and sizes that cannot be
_SENSELESS = (errno.EINVAL, errno.EOVERFLOW, errno.EFBIG)
_OBJECT = re.compile(r" ?<[\w.]+ object at 0x[0-9a-fA-F]+>")  # what names nothing to people
_MOST_WORDS = 300  # characters of a reason that is passed on


class _Brief(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 80

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write numbers of thousands of digits, after a time that grows squarely.
        return repr(x) if x.bit_length() <= 256 else f"a number of {x.bit_length()} bits"


def listed(names: Iterable[str], most: int = 1, none: str = "") -> str:
    """The first `most` names, and how many more there are; `none` where there are none."""
    found = list(names)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return (", ".join(found[:most]) or none) + more


def brief(value: object) -> str:
    """`repr(value)` for messages, cut to a few dozen characters and levels whatever it holds."""
    try:
        return _Brief().repr(value)
    except Exception:  # an object's own __repr__
        return f"a {type(value).__name__}"


# Control characters but for tab and line feed, marks of writing direction, separators of lines and
# paragraphs, invisible tags, and halves of surrogate pairs (file names that are not UTF-8).
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def printable(text: object, *, lines: bool = True) -> str:
    """`text` for a terminal or log: characters that would control it are shown escaped (`\\x1b`).

    With `lines` False line feeds are, too: for a name that is part of a line.
    """
    shown = _UNPRINTABLE.sub(_escaped, str(text))
    return shown if lines else shown.replace("\n", "\\n")


def _escaped(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode("ascii")


def _as_keyword(name: str, value: object) -> str:
    """`scale_to=320` or, with any value, `scale_to=...`."""
    return f"{name}={'...' if value is None else repr(value)}"


def _words(value: object) -> str:
    """What follows a flag on a command line: nothing for None and True."""
    if value is None or value is True:
        return ""
    values = value if isinstance(value, (list, tuple)) else [value]
    return "".join(f" {shlex.quote(str(each))}" for each in values)
