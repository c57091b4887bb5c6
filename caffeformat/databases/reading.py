"""Databases of Caffe's Data layers: reading and writing LMDB, reading LevelDB.

Both kinds are ordered maps from keys to serialized `Datum`s, and their readers have one interface.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from caffeformat.errors import InputError

from .environments import borrow, give_back, reported
from .folder import DatabaseWriter
from .leveldb import LevelDbReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import lmdb
    from typing_extensions import Self


_BATCH_BYTES = 32 << 20
_FIRST_MAP_SIZE = 64 << 20
_MOST_KEY_BYTES = 511


def open_database(path: str | os.PathLike[str], backend: str = "LMDB") -> DatabaseReader:
    """Open a database for reading; `backend` is "LMDB" or "LEVELDB".

    Readers have `len`, `keys()`, `items()` (keys and values as bytes, in key order), `get(key)`
    (None for a missing key) and `close()`, and are context managers. Raises `InputError` if the
    database is missing, empty, truncated, locked or of the other kind.
    """
    readers: dict[str, Callable[[str], DatabaseReader]] = {
        "LMDB": LmdbReader,
        "LEVELDB": LevelDbReader,
    }
    path = os.fspath(path)
    if backend not in readers:
        raise InputError(f'{path}: backend "{backend}" is neither LMDB nor LEVELDB')
    if not os.path.isdir(path):
        problem = "a file; a database is a folder" if os.path.exists(path) else "no such database"
        raise InputError(f"{path}: {problem}")
    marks = {"LMDB": "data.mdb", "LEVELDB": "CURRENT"}
    found = [kind for kind, name in marks.items() if os.path.exists(os.path.join(path, name))]
    if backend not in found:
        hint = f"; it is a {found[0]}, so set the backend to {found[0]}" if found else ""
        raise InputError(f"{path}: not a {backend}, as it has no {marks[backend]}{hint}")
    reader = readers[backend](path)
    if not len(reader):
        reader.close()
        raise InputError(f"{path}: the database is empty")
    return reader


class DatabaseReader(Protocol):
    """What the readers of both kinds can do; see `open_database`."""

    path: str

    def __len__(self) -> int: ...

    def keys(self) -> Iterator[bytes]:
        """All keys, in order, one by one."""

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All (key, value) pairs in the order of the keys, one by one."""

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None."""

    def close(self) -> None:
        """Close the database; closing twice is allowed."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class LmdbReader:
    """An LMDB open for reading, also for use in forked processes.

    A process cannot map the same LMDB twice, so readers of the same folder share one map. Reading a
    finished database leaves no lock file behind.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._key, environment = borrow(path)
        try:
            with reported(path):
                self._transaction: lmdb.Transaction[bytes] = environment.begin()
        except BaseException:
            give_back(self._key)
            raise
        self._length = int(environment.stat()["entries"])
        self._closed = False

    def __len__(self) -> int:
        return self._length

    def keys(self) -> Iterator[bytes]:
        """All keys, in order, one by one."""
        with reported(self.path):
            yield from self._transaction.cursor().iternext(keys=True, values=False)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All (key, value) pairs, in the order of the keys, one by one."""
        with reported(self.path):
            yield from self._transaction.cursor().iternext()

    def get(self, key: bytes) -> bytes | None:
        """The value of `key` (bytes), or None."""
        with reported(self.path):
            return self._transaction.get(key)

    def close(self) -> None:
        """Close the database; closing twice is allowed."""
        if self._closed:
            return
        self._closed = True
        self._transaction.abort()
        # Older bindings end what is left of a transaction when its environment is closed, and again
        # when its object is freed by another thread meanwhile: it goes before the environment may.
        del self._transaction
        give_back(self._key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class LmdbWriter(DatabaseWriter):
    """Writes an LMDB; see `DatabaseWriter`.

    The map starts at `map_size` bytes and grows as needed. The same pairs in the same order give
    the same file.
    """

    def __init__(
        self, path: str | os.PathLike[str], map_size: int | None = None, overwrite: bool = False
    ) -> None:
        import lmdb

        super().__init__(path, overwrite)
        self._lmdb = lmdb
        self._map_size = map_size or _FIRST_MAP_SIZE
        try:
            # Nobody else knows this folder yet, and it is synchronized once at the end.
            self._environment = lmdb.open(
                self._partial, map_size=self._map_size, lock=False, sync=False, metasync=False
            )
        except lmdb.Error as error:
            raise InputError(f"{self._partial}: cannot be created: {error}") from error
        self._pending: list[tuple[bytes, bytes]] = []
        self._pending_bytes, self._last = 0, b""

    def put(self, key: bytes, value: bytes) -> None:
        """Add a pair of bytes. Ascending keys are written fastest; no key may come twice."""
        if not 0 < len(key) <= _MOST_KEY_BYTES:
            raise InputError(
                f"{self.path}: the key {key[:40]!r} has {len(key)} bytes; LMDB allows 1 to "
                f"{_MOST_KEY_BYTES}"
            )
        self._pending.append((key, value))
        self._pending_bytes += len(key) + len(value)
        self._count += 1
        if self._pending_bytes >= _BATCH_BYTES:
            self._commit()

    def _finish(self) -> None:
        self._commit()
        self._environment.sync(True)
        self._environment.close()

    def _release(self) -> None:
        self._environment.close()

    def _commit(self) -> None:
        """Write the pending pairs in one transaction, enlarging the map if it is full."""
        while True:
            last = self._last
            try:
                with self._environment.begin(write=True) as transaction:
                    for key, value in self._pending:
                        if not transaction.put(key, value, overwrite=False, append=key > last):
                            raise InputError(f"{self.path}: the key {key!r} comes twice")
                        last = max(last, key)
                break
            except self._lmdb.MapFullError:
                self._map_size *= 2
                self._environment.set_mapsize(self._map_size)
            except self._lmdb.Error as error:
                raise InputError(f"{self.path}: writing failed: {error}") from error
        self._last = last
        self._pending, self._pending_bytes = [], 0
