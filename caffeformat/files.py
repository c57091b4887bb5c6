"""Reading files; writing them so that a kill or a full disk leaves no half one under its name."""

import contextlib
import os
import tempfile

from .errors import InputError


def read_bytes(path):
    """The content of the file at `path`; `InputError` where there is none to be had."""
    path = os.fspath(path)
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


@contextlib.contextmanager
def atomic_write(path, mode="wb", encoding=None):
    """Open a file beside `path` for writing and rename it to `path` when the block ends well.

    If the block raises, the file beside is removed and whatever was at `path` stays.
    Raises `InputError` where the folder is missing or the disk is full.
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
        # mkstemp makes files private; a finished file gets the permissions any other would have.
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


def _remove(path):
    with contextlib.suppress(OSError):
        os.unlink(path)
