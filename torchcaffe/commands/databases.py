"""The databases that Caffe's tools write and read, by the values of their flags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffeformat import InputError, LmdbWriter, open_database
from caffeformat.databases import LevelDbWriter

from .flags import Flag

if TYPE_CHECKING:
    from caffeformat.databases import DatabaseReader, DatabaseWriter

BACKEND = Flag("backend", "lmdb", "kind of database: lmdb or leveldb")
_BACKENDS = ("lmdb", "leveldb")


def create_database(path: str, backend: str) -> DatabaseWriter:
    """Create a database at `path`; see `LmdbWriter`."""
    return LmdbWriter(path) if _known(backend) == "lmdb" else LevelDbWriter(path)


def read_database(path: str, backend: str) -> DatabaseReader:
    """Open the database at `path`; see `open_database`."""
    return open_database(path, _known(backend).upper())


def _known(backend: str) -> str:
    if backend not in _BACKENDS:
        raise InputError(f'the backend is "{backend}"; expected lmdb or leveldb.')
    return backend
