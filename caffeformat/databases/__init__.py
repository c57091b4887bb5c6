"""Databases of Caffe's Data layers: LMDB and LevelDB, read and written without Caffe.

A database maps keys to serialized `Datum`s; `array_to_datum` and `datum_to_array` convert those.
"""

from __future__ import annotations

from .datum import array_to_datum, datum_to_array, encoded_datum, parse_datum
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
    "parse_datum",
]
