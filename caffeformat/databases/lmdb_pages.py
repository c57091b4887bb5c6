"""Checks the pages of an LMDB before liblmdb follows them.

liblmdb trusts a file: a damaged page makes it read outside the map or fail an assertion, and the
process dies without a word. Here every page that a search or a walk through the keys can meet is
held against the file's size and against the layout that mdb.c writes (version 1 of the format,
64 bits, little-endian). Values on pages of their own are not read; it is only checked that they lie
in the file. A database of 100,000 images takes about a fifth of a second.
"""

from __future__ import annotations

import mmap
import os
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caffeformat.errors import FormatError
from caffeformat.files import open_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAGIC, _VERSION = 0xBEEFC0DE, 1
_PAGE_HEADER, _NODE_HEADER = 16, 8  # bytes
_BRANCH, _LEAF, _META, _DIRTY = 0x01, 0x02, 0x08, 0x10  # flags of pages
_BIG_VALUE = 0x01  # flag of a node: its value has pages of its own
_FIXED_MAP = 0x01  # flag of an environment: where it wants to be mapped
_NO_PAGE = (1 << 64) - 1
_MOST_DEPTH = 32  # liblmdb's own
# What `_checked` remembers: files that were found right, as they were then.
_MOST_REMEMBERED = 256
_checked: dict[tuple[int, int, int, int], None] = {}


class _Meta(NamedTuple):
    """What a meta page says."""

    page_size: int
    environment_flags: int
    flags: int
    depth: int
    entries: int
    root: int
    last_page: int
    transaction: int


def check_pages(path: str) -> None:
    """Raise `FormatError` unless liblmdb can read the LMDB in the folder `path` without harm.

    A file that was found right is not checked again in this process until it changes.
    """
    name = os.path.join(path, "data.mdb")
    with open_file(name) as file:
        status = os.fstat(file.fileno())
        key = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
        if key in _checked:
            return
        if status.st_size < 2 * _PAGE_HEADER + 256:
            raise FormatError(path, "data.mdb is too short for an LMDB: it is truncated")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            _Pages(path, data).check()
    while len(_checked) >= _MOST_REMEMBERED:
        _checked.pop(next(iter(_checked)))
    _checked[key] = None


class _Pages:
    """The pages of one file."""

    def __init__(self, path: str, data: mmap.mmap) -> None:
        self._path, self._data = path, data
        first = self._meta(0)
        if not 256 <= first.page_size <= 65536 or first.page_size & (first.page_size - 1):
            raise self._error(f"pages of {first.page_size} bytes")
        self._size = first.page_size
        if len(data) < 2 * self._size:
            raise self._error("it is truncated")
        second = self._meta(self._size)
        if second.page_size != first.page_size:
            raise self._error("its two meta pages differ in the size of pages")
        self._now = first if first.transaction >= second.transaction else second
        self._pages = len(data) // self._size  # whole ones
        self._values = 0
        self._seen = np.zeros(self._pages, bool)

    def _error(self, problem: str) -> FormatError:
        return FormatError(
            self._path, f"cannot be read as an LMDB: data.mdb is damaged: {problem}; make it anew"
        )

    def _meta(self, position: int) -> _Meta:
        flags = struct.unpack_from("<H", self._data, position + 10)[0]
        magic, version = struct.unpack_from("<II", self._data, position + _PAGE_HEADER)
        if magic != _MAGIC or version != _VERSION or not flags & _META:
            raise self._error("it does not begin with the two meta pages of version 1")
        # Behind magic, version, address and size of the map: the databases of free pages and of
        # keys, each {pad, flags, depth, 3 counts of pages, entries, root}; then two numbers.
        at = position + _PAGE_HEADER + 24
        page_size, environment_flags = struct.unpack_from("<IH", self._data, at)
        _, own_flags, depth, _, _, _, entries, root = struct.unpack_from(
            "<IHHQQQQQ", self._data, at + 48
        )
        last_page, transaction = struct.unpack_from("<QQ", self._data, at + 96)
        return _Meta(
            page_size, environment_flags, own_flags, depth, entries, root, last_page, transaction
        )

    def check(self) -> None:
        """Check all pages of keys."""
        meta = self._now
        for one in (meta.environment_flags & _FIXED_MAP, meta.flags):
            if one:
                raise self._error("it has settings that Caffe's databases never have")
        if meta.last_page >= self._pages:
            needed = (meta.last_page + 1) * self._size
            raise FormatError(
                self._path,
                f"data.mdb has {len(self._data)} of its {needed} bytes: it is truncated",
            )
        if meta.root == _NO_PAGE:
            if meta.entries:
                raise self._error(f"it claims {meta.entries} entries, but has none")
            return
        if not 1 <= meta.depth <= _MOST_DEPTH:
            raise self._error(f"a tree of {meta.depth} levels")
        level, least = [meta.root], [b""]
        for _ in range(meta.depth - 1):
            self._claim(np.array(level, np.uint64))
            found = [self._branch(page, key) for page, key in zip(level, least)]
            level = [page for pages, _ in found for page in pages]
            least = [key for _, keys in found for key in keys]
        self._claim(np.array(level, np.uint64))
        last = b""
        for page, key in zip(level, least):
            if key and key <= last:
                raise self._error(f"the keys before page {page} are out of order")
            last = self._leaf(page, max(key, last + b"\0" if last else b""))
        if self._values != meta.entries:
            raise self._error(f"it has {self._values} of its {meta.entries} entries")

    def _claim(self, pages: NDArray[np.uint64]) -> None:
        """Check that `pages` lie in the file and that nothing else refers to them."""
        if int(pages.min()) < 2 or int(pages.max()) > self._now.last_page:
            raise self._error("a page refers to one outside the file")
        numbers = pages.astype(np.int64)
        if len(np.unique(numbers)) != len(numbers) or self._seen[numbers].any():
            raise self._error("two pages refer to the same one")
        self._seen[numbers] = True

    def _nodes(self, page: int, kind: int, fewest: int) -> tuple[NDArray[Any], ...]:
        """(bytes, places, two halves of a size, flags, sizes of keys) of the nodes of a page."""
        start = page * self._size
        raw = np.frombuffer(self._data[start : start + self._size], np.uint8)
        words = raw.view("<u2")
        flags, lower, upper = int(words[5]), int(words[6]), int(words[7])
        if flags & ~_DIRTY != kind:
            raise self._error(f"page {page} is of another kind than expected")
        count = (lower - _PAGE_HEADER) >> 1
        if lower % 2 or count < fewest or not lower <= upper <= self._size:
            raise self._error(f"page {page} has an impossible number of entries")
        places = words[_PAGE_HEADER // 2 : lower // 2].astype(np.int64)
        if (places % 2).any() or places.min() < upper or places.max() > self._size - _NODE_HEADER:
            raise self._error(f"page {page} has an entry outside itself")
        at = places >> 1
        return (
            raw,
            places,
            words[at].astype(np.int64),
            words[at + 1].astype(np.int64),
            words[at + 2].astype(np.int64),
            words[at + 3].astype(np.int64),
        )

    def _branch(self, page: int, least: bytes) -> tuple[list[int], list[bytes]]:
        """The pages that the branch `page` refers to, and the least keys that they may hold.

        `least` is that of `page` itself, and of its first page, whose own is not used.
        """
        raw, places, low, high, top, keys = self._nodes(page, _BRANCH, 2)
        if (places + _NODE_HEADER + keys > self._size).any():
            raise self._error(f"page {page} has a key that ends outside it")
        return (low | high << 16 | top << 32).tolist(), [least, *_keys(raw, places, keys)[1:]]

    def _leaf(self, page: int, least: bytes) -> bytes:
        """Check the keys, from `least` on, and values of the leaf `page`; returns its last key."""
        raw, places, low, high, flags, keys = self._nodes(page, _LEAF, 1)
        self._values += len(places)
        sizes = low | high << 16
        if (flags & ~_BIG_VALUE).any() or not keys.all():
            raise self._error(f"page {page} has entries that Caffe's databases never have")
        big = (flags & _BIG_VALUE).astype(bool)
        ends = places + _NODE_HEADER + keys + np.where(big, 8, sizes)
        if ends.max() > self._size:
            raise self._error(f"page {page} has a value that ends outside it")
        if big.any():
            begins = (places + _NODE_HEADER + keys)[big]
            numbers = np.ascontiguousarray(raw[begins[:, None] + np.arange(8)]).view("<u8")[:, 0]
            room = self._now.last_page + 1
            needed = -(-(sizes[big] + _PAGE_HEADER) // self._size)
            if (
                int(numbers.min()) < 2
                or int(numbers.max()) >= room
                or (numbers.astype(np.int64) + needed > room).any()
            ):
                raise self._error(f"page {page} has a value that lies outside the file")
        found = _keys(raw, places, keys)
        if found[0] < least or any(one >= other for one, other in zip(found, found[1:])):
            raise self._error(f"the keys of page {page} are out of order")
        return found[-1]


def _keys(
    raw: NDArray[np.uint8], places: NDArray[np.int64], sizes: NDArray[np.int64]
) -> list[bytes]:
    """The keys of a page's nodes."""
    page = raw.tobytes()
    begins = (places + _NODE_HEADER).tolist()
    return [page[begin : begin + size] for begin, size in zip(begins, sizes.tolist())]
