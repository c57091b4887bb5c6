"""LMDB and LevelDB databases of Datums, read and written without Caffe."""

from .datum import array_to_datum, datum_to_array, encoded_datum
from .folder import DatabaseWriter
from .leveldb_writer import LevelDbWriter
from .reading import DatabaseReader, LmdbWriter, open_database

__all__ = [
    "DatabaseReader",
    "DatabaseWriter",
    "LevelDbWriter",
    "LmdbWriter",
    "array_to_datum",
    "datum_to_array",
    "encoded_datum",
    "open_database",
]
