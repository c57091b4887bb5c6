"""Writes files so that no half-written one gets its final name, and nothing else is replaced."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import sys
import tempfile
from typing import IO, TYPE_CHECKING, Any, TextIO

from caffeformat.errors import InputError

from .temporary import TemporaryFolder, create_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .reading import Path

_FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# A folder of open files, which /dev/stdout and /dev/fd/3 lead to.
_DESCRIPTORS = re.compile(r"/proc/(\d+)(?:/task/\d+)?/fd")
_MOST_LINKS = 40


@contextlib.contextmanager
def atomic_write(path: Path, mode: str = "wb", encoding: str | None = None) -> Iterator[IO[Any]]:
    """Open a temporary file that becomes `path` when the block succeeds.

    If the block raises, the temporary file is removed and whatever was at `path` stays. A link is
    followed; a pipe or a character device, such as /dev/stdout, gets the whole content at the end.
    Raises `InputError` if nothing can be written there or the disk is full.
    """
    shown, (place, is_stream) = os.fsdecode(path), _destination(path)
    if encoding is None and "b" not in mode:
        encoding = "utf-8"
    if is_stream:
        with tempfile.TemporaryFile(mode.replace("w", "w+"), encoding=encoding) as buffer:
            yield buffer
            buffer.flush()
            _pour(buffer, place, shown)
        return
    try:
        descriptor, beside = create_file(*os.path.split(place))
    except OSError as error:
        raise InputError(f"{shown}: cannot write here: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, mode, encoding=encoding) as file:
            _keep_permissions(place, beside)
            yield file
            file.flush()
            os.fsync(file.fileno())
            if os.name == "nt":
                file.close()  # where an open file cannot be renamed
            os.replace(beside, place)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        told = _told(error, shown)
        if told is None:
            raise
        raise told from error


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[str]:
    """A path for libraries that write by name: that file becomes `path` when the block succeeds.

    As `atomic_write` otherwise.
    """
    shown, (place, is_stream) = os.fsdecode(path), _destination(path)
    name = os.path.basename(place)
    if not is_stream and not os.path.isdir(os.path.dirname(place)):
        raise InputError(f"{shown}: cannot write here: there is no folder {os.path.dirname(place)}")
    try:
        folder = TemporaryFolder(os.path.join(tempfile.gettempdir(), name) if is_stream else place)
    except OSError as error:
        raise InputError(f"{shown}: cannot write here: {error.strerror}") from error
    try:
        beside = os.path.join(folder.path, name)
        yield beside
        if is_stream:
            with open(beside, "rb") as written:
                _pour(written, place, shown)
        else:
            _keep_permissions(place, beside)
            with open(beside, "rb+") as written:
                os.fsync(written.fileno())
            os.replace(beside, place)
    except BaseException as error:
        told = _told(error, shown)
        if told is None:
            raise
        raise told from error
    finally:
        folder.remove()


def check_writable(path: Path) -> None:
    """Raise `InputError` where `atomic_write` could not put a file: before long work."""
    shown, (place, is_stream) = os.fsdecode(path), _destination(path)
    if is_stream:
        return
    try:
        descriptor, beside = create_file(*os.path.split(place))
    except OSError as error:
        raise InputError(f"{shown}: cannot write here: {error.strerror}") from error
    os.unlink(beside)
    os.close(descriptor)


def open_append(path: Path, encoding: str = "utf-8") -> TextIO:
    """Open the text file at `path` to append lines, each on disk once it is written.

    Raises `InputError` where nothing can be written there, and for pipes and devices.
    """
    shown, (place, is_stream) = os.fsdecode(path), _destination(path)
    if is_stream:
        raise InputError(f"{shown}: is no file that lines can be appended to: choose another name")
    try:
        return open(place, "a", encoding=encoding, buffering=1)
    except OSError as error:
        raise InputError(f"{shown}: cannot write here: {error.strerror}") from error


def disk_problem(error: BaseException | None) -> str | None:
    """The message of a full disk if that is behind `error`, otherwise None."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno in _FULL_DISK:
            return error.strerror
        if not isinstance(error, InputError):
            # Libraries in C report it in errors of their own.
            for text in map(os.strerror, _FULL_DISK):
                if text in str(error):
                    return text
        # LMDB reports a write cut short by a full disk as an input/output error.
        if type(error).__module__.startswith("lmdb") and os.strerror(errno.EIO) in str(error):
            return "the disk is full or failing"
        error = error.__cause__ or error.__context__
    return None


def _told(error: BaseException, shown: str) -> InputError | None:
    """An `InputError` that says that writing to `shown` failed, where that is behind `error`."""
    if isinstance(error, (InputError, BrokenPipeError)) or not isinstance(error, Exception):
        return None
    problem = disk_problem(error)
    if problem is None and isinstance(error, OSError):
        problem = error.strerror or str(error)
    return None if problem is None else InputError(f"{shown}: writing failed: {problem}")


def _destination(path: Path) -> tuple[str, bool]:
    """(where the content of `path` goes, links followed; whether that is a stream)."""
    shown = os.fsdecode(path)
    if "\0" in shown:
        raise InputError(f"{shown!r}: cannot write here: a name cannot hold NUL")
    place = os.path.abspath(shown)
    for _ in range(_MOST_LINKS):
        folder, name = os.path.split(place)
        folder = os.path.realpath(folder)
        place = os.path.join(folder, name)
        if _DESCRIPTORS.fullmatch(folder):
            return place, True
        try:
            target = os.readlink(place)
        except OSError:
            break
        place = os.path.join(folder, target)
    else:
        raise InputError(f"{shown}: cannot write here: its links lead in a circle")
    try:
        mode = os.stat(place).st_mode
    except FileNotFoundError:
        return place, False
    except OSError as error:
        raise InputError(f"{shown}: cannot write here: {error.strerror}") from error
    if stat.S_ISDIR(mode):
        raise InputError(f"{shown}: is a folder; expected the name of a file")
    if not (stat.S_ISREG(mode) or stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)):
        raise InputError(f"{shown}: is neither a file nor a stream: choose another name")
    return place, not stat.S_ISREG(mode)


def _pour(source: IO[Any], place: str, shown: str) -> None:
    """Copy `source`, a real file, into the stream at `place`."""
    try:
        stream = os.fdopen(_open_stream(place, shown), "wb")
        with stream, os.fdopen(os.dup(source.fileno()), "rb") as content:
            content.seek(0)
            shutil.copyfileobj(content, stream, 1 << 20)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InputError(f"{shown}: writing failed: {error.strerror or error}") from error


def _open_stream(place: str, shown: str) -> int:
    folder, name = os.path.split(place)
    match = _DESCRIPTORS.fullmatch(folder)
    if match:
        if int(match[1]) != os.getpid() or not name.isdigit():
            raise InputError(f"{shown}: is a file of another process: choose another name")
        # Not opened anew: what was written there before would be overwritten.
        for printed in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                printed.flush()
        return os.dup(int(name))
    try:
        flags = os.O_WRONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
        descriptor = os.open(place, flags)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise InputError(f"{shown}: is a pipe that nobody reads") from None
        raise
    os.set_blocking(descriptor, True)
    return descriptor


def _keep_permissions(place: str, beside: str) -> None:
    """Give `beside` the permissions of the file that it is going to replace, if there is one."""
    with contextlib.suppress(OSError):
        os.chmod(beside, stat.S_IMODE(os.stat(place).st_mode))
