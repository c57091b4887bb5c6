"""Reading files whole, and writing them so that no half-written file gets its final name."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import IO, TYPE_CHECKING, Any

from caffeformat.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The content of the file at `path`; `InputError` where it cannot be read."""
    path = os.fspath(path)
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


@contextlib.contextmanager
def atomic_write(
    path: str | os.PathLike[str], mode: str = "wb", encoding: str | None = None
) -> Iterator[IO[Any]]:
    """Open a temporary file beside `path` and rename it to `path` when the block succeeds.

    If the block raises, the temporary file is removed and whatever was at `path` stays.
    Raises `InputError` if the folder is missing or the disk is full.
    """
    path = os.fspath(path)
    folder, name = os.path.split(os.path.abspath(path))
    try:
        descriptor, beside = tempfile.mkstemp(prefix=f".{name}.", suffix=".tmp", dir=folder)
    except OSError as error:
        raise InputError(f"{path}: cannot write here: {error.strerror}") from error
    if encoding is None and "b" not in mode:
        encoding = "utf-8"
    try:
        with os.fdopen(descriptor, mode, encoding=encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private; the finished file gets the usual permissions.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(beside, 0o666 & ~umask)
        os.replace(beside, path)
    except OSError as error:
        _remove(beside)
        raise InputError(f"{path}: writing failed: {error.strerror or error}") from error
    except BaseException:
        _remove(beside)
        raise


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
