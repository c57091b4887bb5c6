"""Databases of Caffe's Data layers: LMDB reading and writing, LevelDB reading.

Both kinds are ordered maps from keys to serialized `Datum`s; readers look alike.
"""

import contextlib
import os

from .database_writer import DatabaseWriter
from .errors import FormatError, InputError
from .leveldb import LevelDbReader

_BATCH_BYTES = 32 << 20
_FIRST_MAP_SIZE = 64 << 20
_MOST_KEY_BYTES = 511


def open_database(path, backend="LMDB"):
    """Open a database for reading; `backend` is "LMDB" or "LEVELDB".

    Readers have `len`, `keys()`, `items()` (keys and values as bytes, in key order), `get(key)`
    (None where there is none), `close()`, and are context managers. Raises `InputError` where the
    database is missing, empty, truncated, locked or of the other kind.
    """
    readers = {"LMDB": LmdbReader, "LEVELDB": LevelDbReader}
    if backend not in readers:
        raise InputError(f'{path}: backend "{backend}" is neither LMDB nor LEVELDB')
    path = os.fspath(path)
    if not os.path.isdir(path):
        problem = "a file; a database is a folder" if os.path.exists(path) else "no such database"
        raise InputError(f"{path}: {problem}")
    marks = {"LMDB": "data.mdb", "LEVELDB": "CURRENT"}
    found = [kind for kind, name in marks.items() if os.path.exists(os.path.join(path, name))]
    if backend not in found:
        hint = f"; it is a {found[0]}: say so as backend" if found else ""
        raise InputError(f"{path}: no {marks[backend]} in it, so no {backend}{hint}")
    reader = readers[backend](path)
    if not len(reader):
        reader.close()
        raise InputError(f"{path}: the database is empty")
    return reader


class LmdbReader:
    """An LMDB, open for reading; may be used by forked processes too.

    One process cannot map the same LMDB twice, so readers of the same folder share their map.
    Readers of a finished database leave no lock file behind.
    """

    _environments = {}

    def __init__(self, path):
        self.path = path
        # The file, not its name: another database may take this one's place meanwhile.
        data = os.stat(os.path.join(path, "data.mdb"))
        self._key = os.path.realpath(path), data.st_dev, data.st_ino
        environment, users = self._environments.get(self._key, (None, 0))
        if environment is None:
            environment = _open_environment(path)
        with _reported(path):
            self._transaction = environment.begin()
        self._environments[self._key] = environment, users + 1
        self._length = environment.stat()["entries"]

    def __len__(self):
        return self._length

    def keys(self):
        """All keys, in order, one by one."""
        with _reported(self.path):
            yield from self._transaction.cursor().iternext(keys=True, values=False)

    def items(self):
        """All (key, value) pairs, in the order of the keys, one by one."""
        with _reported(self.path):
            yield from self._transaction.cursor().iternext()

    def get(self, key):
        """The value of `key` (bytes), or None."""
        with _reported(self.path):
            return self._transaction.get(key)

    def close(self):
        """Close the database; closing twice is allowed."""
        if self._transaction is None:
            return
        self._transaction.abort()
        self._transaction = None
        environment, users = self._environments.pop(self._key)
        if users > 1:
            self._environments[self._key] = environment, users - 1
        else:
            environment.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@contextlib.contextmanager
def _reported(path):
    """LMDB's own errors as ours."""
    import lmdb

    try:
        yield
    except (lmdb.LockError, lmdb.ReadersFullError) as error:
        raise InputError(f"{path}: locked by other programs; close those first") from error
    except lmdb.Error as error:
        raise FormatError(path, f"cannot be read as an LMDB: {error}") from error


def _open_environment(path):
    import lmdb

    # A lock file means that somebody may write: then join the locking, where that is permitted.
    lock = os.path.exists(os.path.join(path, "lock.mdb"))
    with _reported(path):
        try:
            environment = lmdb.open(path, readonly=True, create=False, lock=lock)
        except lmdb.ReadonlyError:
            environment = lmdb.open(path, readonly=True, create=False, lock=False)
    # A page behind the end of a truncated file would end this process, not raise an error.
    needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    size = os.path.getsize(os.path.join(path, "data.mdb"))
    if size < needed:
        environment.close()
        raise FormatError(path, f"data.mdb has {size} of its {needed} bytes: it is truncated")
    return environment


class LmdbWriter(DatabaseWriter):
    """Writes an LMDB; see `DatabaseWriter`.

    The map grows as needed from `map_size` bytes. The same pairs in the same order give the same
    file.
    """

    def __init__(self, path, map_size=None, overwrite=False):
        import lmdb

        super().__init__(path, overwrite)
        self._lmdb = lmdb
        self._map_size = map_size or _FIRST_MAP_SIZE
        try:
            # Nobody else knows this folder yet, and it is synchronized once, at the end.
            self._environment = lmdb.open(
                self._partial, map_size=self._map_size, lock=False, sync=False, metasync=False
            )
        except lmdb.Error as error:
            raise InputError(f"{self._partial}: cannot be made: {error}") from error
        self._pending, self._pending_bytes, self._last = [], 0, b""

    def put(self, key, value):
        """Add a pair of bytes. Keys in ascending order are written fastest; a key comes once."""
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

    def _finish(self):
        self._commit()
        self._environment.sync(True)
        self._environment.close()

    def _release(self):
        self._environment.close()

    def _commit(self):
        """Write the pending pairs in one transaction, with a larger map where that is full."""
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
