"""Opens files that somebody named: regular files only, of a bounded size, without waiting.

A device such as /dev/zero has no end, and opening a pipe waits until somebody writes into it. Every
reader opens its files here; what needs a path instead of a file calls `check_file` first.
"""

from __future__ import annotations

import io
import os
import stat
from typing import TYPE_CHECKING, BinaryIO, TextIO

from caffeformat.errors import InputError

if TYPE_CHECKING:
    from typing import Union

    Path = Union[str, bytes, os.PathLike[str], os.PathLike[bytes]]

# Bytes of a file that is read whole; protobuf's own messages end here, too.
MOST_BYTES = 1 << 31
# Bytes of a text written by people: lists of names, palettes, settings.
MOST_TEXT = 64 << 20

_CHUNK = 1 << 20
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def open_file(path: Path, most: int | None = None) -> BinaryIO:
    """Open the regular file at `path` for reading; close it when done.

    Raises `InputError` where there is none, where it is a folder, a pipe, a socket or a device, and
    where it has more than `most` bytes.
    """
    shown = os.fsdecode(path)
    # Where a pipe or a device stands for a file, opening it must not wait.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_NOCTTY", 0))
    except FileNotFoundError:
        raise InputError(f"{shown}: no such file") from None
    except ValueError:  # NUL
        raise InputError(f"{shown!r}: no such file: a name cannot hold NUL") from None
    except OSError as error:
        kind = _kind_at(path)
        if kind is not None:
            raise _refused(shown, kind) from None
        raise InputError(f"{shown}: cannot be read: {error.strerror}") from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise _refused(shown, _kind(found.st_mode))
        if most is not None and found.st_size > most:
            raise _too_large(shown, found.st_size, most)
        # By name, which libraries look up, though it is open already.
        return open(path, "rb", opener=lambda *_: descriptor)
    except BaseException:
        os.close(descriptor)
        raise


def open_text(
    path: Path,
    most: int = MOST_TEXT,
    encoding: str = "utf-8",
    errors: str = "strict",
    newline: str | None = None,
) -> TextIO:
    """Open the text file at `path` for reading; raises `InputError` as `open_file` does."""
    return io.TextIOWrapper(open_file(path, most), encoding, errors, newline)


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """The content of the file at `path`; `InputError` where it cannot be read or is too large."""
    shown = os.fsdecode(path)
    try:
        with open_file(path, most) as file:
            wanted = os.fstat(file.fileno()).st_size + 1
            parts = [file.read(wanted)]
            # Files of /proc claim to be empty, and others may grow meanwhile.
            while len(parts[-1] or b"") == wanted and sum(map(len, parts)) <= most:
                wanted = _CHUNK
                parts.append(file.read(wanted))
    except OSError as error:
        raise InputError(f"{shown}: cannot be read: {error.strerror}") from error
    data = b"".join(part for part in parts if part)
    if len(data) > most:
        raise _too_large(shown, len(data), most)
    return data


def check_file(path: Path, most: int | None = None) -> None:
    """Raise `InputError` where `open_file` would."""
    open_file(path, most).close()


def is_stream(path: Path) -> bool:
    """Whether a pipe, a socket or a device stands at `path`."""
    kind = _kind_at(path)
    return kind not in (None, "a folder")


def _kind_at(path: Path) -> str | None:
    """What stands at `path` where it is no regular file; None for those and for nothing."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return None
    return None if stat.S_ISREG(mode) else _kind(mode)


def _kind(mode: int) -> str:
    return next((what for is_kind, what in _KINDS if is_kind(mode)), "no regular file")


def _refused(shown: str, kind: str) -> InputError:
    advice = "" if kind == "a folder" else ": write its content into a file first"
    return InputError(f"{shown}: is {kind}; expected a file{advice}")


def _too_large(shown: str, size: int, most: int) -> InputError:
    return InputError(f"{shown}: has {size} bytes; expected at most {most}")
