"""Reads LevelDB, the database of Caffe's first years (`backend: LEVELDB`, the default).

A LevelDB is a folder: `CURRENT` names a manifest, the manifest lists the live sorted tables, and
log files hold what has not been sorted into tables yet. Of several entries with one key, the one
with the highest sequence number counts; an entry may mark the key as deleted. Checksums are not
compared; everything else is checked before it is used.
"""

from __future__ import annotations

import bisect
import functools
import heapq
import itertools
import mmap
import os
import re
from typing import TYPE_CHECKING

from caffeformat.errors import FormatError, InputError
from caffeformat.files import open_file

from .snappy import decompress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

    # Number, size in bytes, smallest and largest key of a table
    TableFile = tuple[int, int, bytes, bytes]
    # Sequence number, _PUT or _DELETED, value
    Version = tuple[int, int, bytes]


_LOG_BLOCK = 32768
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_TABLE_MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER = 48
_DELETED, _PUT = 0, 1
_LONGEST_KEY = 1 << 16  # bytes; a key may take over those of the one before again and again


class LevelDbReader:
    """A LevelDB, open for reading; see `open_database`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        _check_unlocked(self.path)
        levels, first_log, previous_log = self._read_manifest()
        self._recent = self._read_logs(first_log, previous_log)
        # Tables of level 0 may overlap; those of any other level follow one another.
        self._tables = [[self._table(*file)] for file in levels.pop(0, [])]
        for files in levels.values():
            self._tables.append([self._table(*f) for f in sorted(files, key=lambda f: f[2])])

    def __len__(self) -> int:
        return self._length

    @functools.cached_property
    def _length(self) -> int:
        return sum(1 for _ in self.keys())

    def keys(self) -> Iterator[bytes]:
        """All keys, in order, one by one."""
        return (key for key, _ in self.items())

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All (key, value) pairs, in the order of the keys, one by one."""
        recent = ((key, *self._recent[key]) for key in sorted(self._recent))
        older = (
            itertools.chain.from_iterable(table.entries() for table in level)
            for level in self._tables
        )
        merged = heapq.merge(recent, *older, key=lambda entry: (entry[0], -entry[1]))
        for key, entries in itertools.groupby(merged, key=lambda entry: entry[0]):
            _, _, kind, value = next(entries)
            if kind == _PUT:
                yield key, bytes(value)

    def get(self, key: bytes) -> bytes | None:
        """The value of `key` (bytes), or None."""
        found = [self._recent[key]] if key in self._recent else []
        for table in itertools.chain.from_iterable(self._tables):
            if table.smallest <= key <= table.largest:
                found += table.find(key)
        newest = max(found, key=lambda entry: entry[0], default=None)
        return bytes(newest[2]) if newest is not None and newest[1] == _PUT else None

    def close(self) -> None:
        """Release the files; closing twice is allowed."""
        self._recent, self._tables = {}, []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_manifest(self) -> tuple[dict[int, list[TableFile]], int, int]:
        """({level: [(number, size, smallest, largest)]}, first live log, another live log or 0)."""
        with open_file(os.path.join(self.path, "CURRENT")) as file:
            name = file.read(100).strip().decode("ascii", "replace")
        if not re.fullmatch(r"MANIFEST-\d+", name):
            raise FormatError(self.path, f"CURRENT names {name!r}, which is not a manifest")
        files: dict[tuple[int, int], TableFile] = {}
        first_log = previous_log = 0
        for record in _log_records(os.path.join(self.path, name)):
            cursor = _Cursor(record, name)
            while not cursor.done():
                tag = cursor.varint()
                if tag == 1:
                    cursor.string()  # the name of the comparator
                elif tag == 2:
                    first_log = cursor.varint()
                elif tag in (3, 4):
                    cursor.varint()  # next file number, last sequence number
                elif tag == 5:
                    cursor.varint(), cursor.string()  # where compaction goes on
                elif tag == 6:
                    files.pop((cursor.varint(), cursor.varint()), None)
                elif tag == 7:
                    level, number, size = cursor.varint(), cursor.varint(), cursor.varint()
                    files[level, number] = number, size, cursor.string()[:-8], cursor.string()[:-8]
                elif tag == 9:
                    previous_log = cursor.varint()
                else:
                    raise FormatError(self.path, f"{name} has the unknown tag {tag}")
        if not first_log:
            raise FormatError(self.path, f"{name} is empty or damaged")
        levels: dict[int, list[TableFile]] = {}
        for (level, _), table in sorted(files.items()):
            levels.setdefault(level, []).append(table)
        return levels, first_log, previous_log

    def _read_logs(self, first: int, previous: int) -> dict[bytes, Version]:
        """{key: (sequence, kind, value)} of the live logs."""
        recent: dict[bytes, Version] = {}
        logs = sorted(
            int(name[:-4]) for name in os.listdir(self.path) if re.fullmatch(r"\d+\.log", name)
        )
        for number in logs:
            if number < first and number != previous:
                continue
            name = f"{number:06}.log"
            for record in _log_records(os.path.join(self.path, name)):
                cursor = _Cursor(record, name)
                sequence = int.from_bytes(cursor.take(8), "little")
                for _ in range(int.from_bytes(cursor.take(4), "little")):
                    kind = cursor.take(1)[0]
                    key = cursor.string()
                    recent[key] = sequence, kind, cursor.string() if kind == _PUT else b""
                    sequence += 1
        return recent

    def _table(self, number: int, size: int, smallest: bytes, largest: bytes) -> _Table:
        for suffix in ("ldb", "sst"):
            path = os.path.join(self.path, f"{number:06}.{suffix}")
            if os.path.exists(path):
                return _Table(path, size, smallest, largest)
        raise FormatError(self.path, f"table {number:06}.ldb is missing")


class _Table:
    """One sorted table. Its index is read when it is first needed."""

    def __init__(self, path: str, size: int, smallest: bytes, largest: bytes) -> None:
        self.path, self.smallest, self.largest = path, smallest, largest
        if os.path.getsize(path) < max(size, _FOOTER):
            raise FormatError(path, f"has {os.path.getsize(path)} of its {size} bytes: truncated")

    @functools.cached_property
    def _data(self) -> mmap.mmap:
        with open_file(self.path) as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if data[-8:] != _TABLE_MAGIC:
            raise FormatError(self.path, "does not end as a LevelDB table")
        return data

    @functools.cached_property
    def _index(self) -> list[tuple[bytes, int, int]]:
        """[(last key of the block, offset, size)] of the data blocks, in order."""
        footer = _Cursor(self._data[-_FOOTER:], self.path)
        footer.varint(), footer.varint()  # the block about blocks
        index: list[tuple[bytes, int, int]] = []
        for key, handle in self._block(footer.varint(), footer.varint()):
            cursor = _Cursor(handle, self.path)
            index.append((key[:-8], cursor.varint(), cursor.varint()))
        return index

    def entries(self) -> Iterator[tuple[bytes, int, int, bytes]]:
        """(key, sequence, kind, value) of all entries, sorted by key, newest first."""
        for _, offset, size in self._index:
            for key, value in self._block(offset, size):
                yield self._split(key, value)

    def find(self, key: bytes) -> list[Version]:
        """[(sequence, kind, value)] of the entries of `key`."""
        index = self._index
        found: list[Version] = []
        # Entries of one key may continue in the next block.
        for _, offset, size in index[bisect.bisect_left(index, (key,)) :]:
            entries = [self._split(*entry) for entry in self._block(offset, size)]
            found += [entry[1:] for entry in entries if entry[0] == key]
            if entries and entries[-1][0] > key:
                break
        return found

    def _split(self, key: bytes, value: bytes) -> tuple[bytes, int, int, bytes]:
        if len(key) < 8:
            raise FormatError(self.path, "a key without its sequence number")
        tag = int.from_bytes(key[-8:], "little")
        return key[:-8], tag >> 8, tag & 0xFF, value

    def _block(self, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
        """(key, value) pairs of a block, which stores a key without the previous one's prefix."""
        data = self._data
        if offset + size + 5 > len(data):
            raise FormatError(self.path, f"a block at {offset} reaches past the end of the file")
        block, compression = data[offset : offset + size], data[offset + size]
        if compression == 1:
            try:
                block = decompress(block)
            except ValueError as error:
                raise FormatError(self.path, f"block at byte {offset}: {error}") from error
        elif compression:
            raise FormatError(
                self.path, f"block at byte {offset} is compressed in an unknown way ({compression})"
            )
        restarts = int.from_bytes(block[-4:], "little")
        end = len(block) - 4 * (restarts + 1)
        if end < 0:
            raise FormatError(self.path, f"block at byte {offset} is damaged")
        cursor = _Cursor(block[:end], self.path)
        key = b""
        while not cursor.done():
            shared, more, length = cursor.varint(), cursor.varint(), cursor.varint()
            key = key[:shared] + cursor.take(more)
            if len(key) > _LONGEST_KEY:
                raise FormatError(self.path, f"a key of {len(key)} bytes: damaged")
            yield key, cursor.take(length)


class _Cursor:
    """Reads numbers and strings from bytes, one after the other, never past their end."""

    def __init__(self, data: bytes, source: str) -> None:
        self._data, self._source, self._at = data, source, 0

    def done(self) -> bool:
        """Whether everything has been read."""
        return self._at >= len(self._data)

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        if size > len(self._data) - self._at:
            raise FormatError(self._source, "ends in the middle of an entry: truncated or damaged")
        self._at += size
        return self._data[self._at - size : self._at]

    def varint(self) -> int:
        """The next number."""
        value = shift = 0
        while shift < 70:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise FormatError(self._source, "a number of more than 10 bytes: damaged")

    def string(self) -> bytes:
        """The next string, which its length precedes."""
        return self.take(self.varint())


def _log_records(path: str) -> Iterator[bytes]:
    """The records of a log or manifest, joined from the pieces in its blocks of 32 KiB."""
    if not os.path.exists(path):
        raise FormatError(path, "is missing")
    with open_file(path) as file:
        pieces: list[bytes] = []
        while True:
            block = file.read(_LOG_BLOCK)
            if not block:
                break
            at = 0
            while at + 7 <= len(block):
                size, kind = int.from_bytes(block[at + 4 : at + 6], "little"), block[at + 6]
                if not size and not kind:
                    break  # the rest of the block was never written
                piece = block[at + 7 : at + 7 + size]
                at += 7 + size
                if len(piece) < size or not _FULL <= kind <= _LAST:
                    raise FormatError(path, "ends in the middle of a record: truncated or damaged")
                if (kind in (_FULL, _FIRST)) == bool(pieces):
                    raise FormatError(path, "pieces of a record are missing: damaged")
                pieces.append(piece)
                if kind in (_FULL, _LAST):
                    yield b"".join(pieces)
                    pieces = []
            if at < len(block) < _LOG_BLOCK and any(block[at:]):
                raise FormatError(path, "ends in the middle of a record: truncated")
        if pieces:
            raise FormatError(path, "ends in the middle of a record: truncated")


def _check_unlocked(path: str) -> None:
    """Raise `InputError` while another program has the LevelDB open."""
    try:
        import fcntl
    except ImportError:  # Windows has no such locks
        return
    lock = os.path.join(path, "LOCK")
    if not os.path.exists(lock):
        return
    try:
        with open_file(lock) as file:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        raise InputError(f"{path}: locked by another program; close it first") from error
