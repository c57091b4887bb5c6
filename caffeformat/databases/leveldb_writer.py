"""Writes a new LevelDB, as Caffe's tools do.

All entries go into the log, which LevelDB sorts into tables when it opens the database. Up to about
1000 entries that gives, byte for byte, the files that LevelDB itself writes.
"""

from __future__ import annotations

import contextlib
import os
import struct
from typing import TYPE_CHECKING

from caffeformat.errors import InputError
from caffeformat.messages import wire

from .crc32c import masked_crc32c
from .folder import DatabaseWriter

if TYPE_CHECKING:
    from collections.abc import Iterator


_BLOCK, _HEADER = 32768, 7
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_PUT = 1
_BATCH = 1000  # entries per write, as in Caffe's tools
_LOG, _MANIFEST = 3, 2  # the numbers of a new database's files


class LevelDbWriter(DatabaseWriter):
    """Writes a LevelDB; see `DatabaseWriter`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        try:
            self._log = _RecordFile(os.path.join(self._partial, f"{_LOG:06}.log"))
        except OSError as error:
            raise InputError(f"{self._partial}: cannot be created: {error.strerror}") from error
        self._pending: list[bytes] = []

    def put(self, key: bytes, value: bytes) -> None:
        """Add a pair of bytes, in any order; the last value of a key counts."""
        entry = wire.encode_varint(len(key)) + key + wire.encode_varint(len(value)) + value
        self._pending.append(bytes([_PUT]) + entry)
        self._count += 1
        if len(self._pending) == _BATCH:
            with self._reported():
                self._flush()

    def _finish(self) -> None:
        with self._reported():
            self._flush()
            self._log.close()
            self._write_manifest()

    def _release(self) -> None:
        with contextlib.suppress(OSError):  # a full disk rejects what is still buffered
            self._log.close()

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.discard()
            raise InputError(f"{self.path}: writing failed: {error.strerror or error}") from error

    def _flush(self) -> None:
        if self._pending:
            first = self._count - len(self._pending) + 1  # sequence numbers count from 1
            head = struct.pack("<QI", first, len(self._pending))
            self._log.append(head + b"".join(self._pending))
            self._pending = []

    def _write_manifest(self) -> None:
        manifest = f"MANIFEST-{_MANIFEST:06}"
        comparator = b"leveldb.BytewiseComparator"
        numbers = ((2, _LOG), (9, 0), (3, _LOG + 1), (4, 0))  # logs, next file, sequence number
        records = _RecordFile(os.path.join(self._partial, manifest))
        records.append(b"\x01" + wire.encode_varint(len(comparator)) + comparator)
        records.append(
            b"".join(bytes([tag]) + wire.encode_varint(number) for tag, number in numbers)
        )
        records.close()
        with open(os.path.join(self._partial, "CURRENT"), "w", encoding="ascii") as file:
            file.write(manifest + "\n")


class _RecordFile:
    """A file of records in blocks of 32 KiB; each piece has a checksum, a length and a kind."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "wb")  # noqa: SIM115
        self._at = 0

    def append(self, record: bytes) -> None:
        """Write `record`, in pieces if it does not fit into the block."""
        rest, first = memoryview(record), True
        while first or rest:
            room = _BLOCK - self._at
            if room < _HEADER:
                self._file.write(bytes(room))
                self._at, room = 0, _BLOCK
            piece, rest = rest[: room - _HEADER], rest[room - _HEADER :]
            if first:
                kind = _FIRST if rest else _FULL
            else:
                kind = _MIDDLE if rest else _LAST
            tagged = bytes([kind]) + piece
            self._file.write(struct.pack("<IH", masked_crc32c(tagged), len(piece)) + tagged)
            self._at += _HEADER + len(piece)
            first = False

    def close(self) -> None:
        """Close the file after everything has reached the disk."""
        if not self._file.closed:
            try:
                self._file.flush()
                os.fsync(self._file.fileno())
            finally:
                self._file.close()
