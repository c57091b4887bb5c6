"""The databases that Caffe's tools make and read, by the words of their flags."""

from caffeformat import InputError, LmdbWriter, open_database
from caffeformat.leveldb_writer import LevelDbWriter

from .flags import Flag

BACKEND = Flag("backend", "lmdb", "the kind of database: lmdb or leveldb")
_WRITERS = {"lmdb": LmdbWriter, "leveldb": LevelDbWriter}


def create_database(path, backend):
    """A writer of a new database at `path`; see `LmdbWriter`."""
    return _WRITERS[_known(backend)](path)


def read_database(path, backend):
    """A reader of the database at `path`; see `open_database`."""
    return open_database(path, _known(backend).upper())


def _known(backend):
    if backend not in _WRITERS:
        raise InputError(f'the backend is "{backend}"; expected lmdb or leveldb.')
    return backend
