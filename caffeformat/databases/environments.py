"""The LMDBs that this process has open: each once, however many read it.

LMDB's locks belong to a process and a file, so that a second environment on one file breaks those
of the first, and newer bindings refuse it. The list of open ones lies in the module `lmdb` itself,
where programs that know nothing of this package find it, too; the DIGITS plug-in does.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Any

from caffeformat.errors import FormatError, InputError
from caffeformat.files import check_file

from .lmdb_pages import check_pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    import lmdb

    Key = tuple[int, int]  # device and inode of data.mdb
    # The lock, and key -> (environment, number of its users)
    Shared = tuple[Any, dict[Key, tuple[lmdb.Environment, int]]]

_SHARED = "fcnkit_environments"


def _shared() -> Shared:
    import lmdb

    shared: Shared = vars(lmdb).setdefault(_SHARED, (threading.RLock(), {}))
    return shared


def borrow(path: str) -> tuple[Key, lmdb.Environment]:
    """The environment of the LMDB folder `path`; `give_back(key)` when it is not needed any more.

    Raises `InputError` where it cannot be opened, `FormatError` where it is damaged.
    """
    lock, known = _shared()
    with lock:
        check_file(os.path.join(path, "data.mdb"))
        # By file, not by name: another database may replace this one meanwhile.
        data = os.stat(os.path.join(path, "data.mdb"))
        key = data.st_dev, data.st_ino
        environment, users = known.get(key, (None, 0))
        check_pages(path)  # also where a program that does not check has opened it
        if environment is None:
            environment = _open_environment(path)
        known[key] = environment, users + 1
    return key, environment


def give_back(key: Key) -> None:
    """Close the environment unless somebody else uses it."""
    lock, known = _shared()
    with lock:
        environment, users = known.pop(key)
        if users > 1:
            known[key] = environment, users - 1
        else:
            environment.close()


@contextlib.contextmanager
def reported(path: str) -> Iterator[None]:
    """Turn LMDB's own errors into ours."""
    import lmdb

    try:
        yield
    except (lmdb.LockError, lmdb.ReadersFullError) as error:
        raise InputError(f"{path}: locked by other programs; close them first") from error
    except lmdb.Error as error:
        raise FormatError(path, f"cannot be read as an LMDB: {error}") from error


def _open_environment(path: str) -> lmdb.Environment:
    import lmdb

    # A lock file means that somebody may be writing: take part in the locking, if permitted.
    lock = os.path.exists(os.path.join(path, "lock.mdb"))
    if lock:
        check_file(os.path.join(path, "lock.mdb"))
    with reported(path):
        try:
            return lmdb.open(path, readonly=True, create=False, lock=lock)
        except lmdb.ReadonlyError:
            return lmdb.open(path, readonly=True, create=False, lock=False)
