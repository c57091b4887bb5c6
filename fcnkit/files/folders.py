"""Output folders that appear under their final name only when they are complete."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from typing import TYPE_CHECKING

from caffeformat import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def output_folder(path: str | os.PathLike[str], force: bool = False) -> Iterator[str]:
    """Yield an empty folder, `<path>.partial`, that becomes `path` if the block succeeds.

    If the block raises, what it wrote is removed; if the process is killed, `<path>.partial` stays
    and the next run starts it anew. A folder that is not empty is left unchanged and raises
    `InputError`. With `force`, entries of the same names are replaced, and only those.
    """
    path = os.path.abspath(os.fspath(path))
    partial = path + ".partial"
    if os.path.lexists(path) and not os.path.isdir(path):
        raise InputError(f"{path}: expected a folder or nothing, found a file: choose another name")
    if os.path.isdir(path) and os.listdir(path) and not force:
        some = ", ".join(sorted(os.listdir(path))[:3])
        raise InputError(
            f"{path}: already holds {some}: choose another folder, or pass {{option}} to "
            "replace entries of the same names",
            option="force",
            value=True,
        )
    if os.path.islink(partial) or os.path.isfile(partial):
        raise InputError(f"{partial}: is in the way of the folder that is written first: remove it")
    try:
        if os.path.isdir(partial):
            shutil.rmtree(partial)
        os.makedirs(partial)
    except OSError as error:
        raise InputError(f"{path}: cannot write here: {error.strerror}") from error
    try:
        yield partial
        _publish(partial, path)
    except BaseException as error:
        problem = _disk_problem(error)
        shutil.rmtree(partial, ignore_errors=True)
        if problem is None:
            raise
        raise InputError(
            f"{path}: writing failed: {problem}: free some space and run again (what was written "
            "has been removed)"
        ) from error


def _disk_problem(error: BaseException) -> str | None:
    """The message of a full disk if that is the cause of `error`, otherwise None."""
    if isinstance(error, OSError) and error.errno in _FULL_DISK:
        return error.strerror
    # LMDB reports a write cut short by a full disk as an input/output error.
    if isinstance(error, InputError) and os.strerror(errno.EIO) in str(error.__cause__):
        return "the disk is full or failing"
    return None


def _publish(partial: str, path: str) -> None:
    """Give the folder `partial` its final name, or move its entries into `path`."""
    if os.path.isdir(path) and os.listdir(path):
        replaced = path + ".replaced"
        os.makedirs(replaced, exist_ok=True)
        for name in os.listdir(partial):
            if os.path.lexists(os.path.join(path, name)):
                os.replace(os.path.join(path, name), os.path.join(replaced, name))
            os.replace(os.path.join(partial, name), os.path.join(path, name))
        shutil.rmtree(replaced)
        os.rmdir(partial)
        return
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(path)
    os.replace(partial, path)
