"""Iterates over the files of an archive or folder without unpacking anything.

`members(path)` reads tar, tar.gz, tar.bz2, tar.xz and zip archives and expanded folders. Tars are
read as streams, front to back. Nothing here writes to disk, and names that point out of the archive
are refused.
"""

from __future__ import annotations

import bz2
import contextlib
import functools
import lzma
import os
import queue
import stat
import threading
import zipfile
import zlib
from typing import TYPE_CHECKING

from caffeformat import FormatError, InputError

from .gzip_stream import gzip_blocks
from .tar_stream import is_tar_header, tar_entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from types import ModuleType
    from typing import BinaryIO, Protocol

    from .tar_stream import ForwardStream

    class _Readable(Protocol):
        def read(self, size: int, /) -> bytes: ...


_CHUNK = 1 << 20

# The bit of a zip entry's flags that says that its name is UTF-8.
_UTF8_FLAG = 0x800

# What the readers raise for archives that are truncated or damaged.
_READ_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)

# How deep folders are searched; the layouts of the archives have four levels.
_FOLDER_DEPTH = 6


class Member:
    """A file of an archive: `name` (relative, `/` between parts) and `size` in bytes.

    `is_plain` is False for links, devices and the like, which cannot be read.
    """

    def __init__(
        self,
        archive: str,
        name: str,
        size: int,
        is_plain: bool,
        open_stream: Callable[[], AbstractContextManager[_Readable]],
    ) -> None:
        self.archive, self.name, self.size, self.is_plain = archive, name, size, is_plain
        self._open_stream = open_stream

    def read_chunks(self) -> Iterator[bytes]:
        """Read the content in pieces of up to 1 MB; `FormatError` if it is shorter than `size`.

        Members of a tar can be read once, and only before the next member is requested.
        """
        if not self.is_plain:
            raise FormatError(self.archive, f"{self.name} is a link or a device, not a file")
        left = self.size
        with _Reading(self.archive), self._open_stream() as stream:
            while left:
                chunk = stream.read(min(left, _CHUNK))
                if not chunk:
                    raise EOFError(f"{self.name} ends early")
                left -= len(chunk)
                yield chunk


def members(path: str | os.PathLike[str]) -> Iterator[Member]:
    """Iterate over the files in the archive or folder at `path`.

    In folders and zips, files below a folder `ImageSets` come first; tars have their own order.
    Raises `InputError` if `path` is missing or of an unknown kind, `FormatError` if it is truncated
    or damaged, or contains names that lead out of it (`/...`, `../`).
    """
    path = os.fspath(path)
    if os.path.isdir(path):
        return _folder_members(path)
    try:
        with open(path, "rb") as file:
            head = file.read(512)
    except OSError as error:
        raise InputError(f"{path}: cannot read the archive: {error.strerror}") from error
    if head[:2] == b"PK":
        return _zip_members(path)
    if head[:2] == b"\x1f\x8b":
        return _tar_members(path, lambda: _Forward(gzip_blocks(path)))
    if head[:3] == b"BZh":
        return _tar_members(path, lambda: _Forward(_blocks(bz2, path)))
    if head[:6] == b"\xfd7zXZ\0":
        return _tar_members(path, lambda: _Forward(_blocks(lzma, path)))
    if is_tar_header(head):
        return _tar_members(path, lambda: open(path, "rb", buffering=0))
    raise InputError(
        f"{path}: expected a folder or a tar, tar.gz, tar.bz2 or zip archive, found something else "
        f"({len(head)} bytes beginning with {head[:8]!r})"
    )


class _Reading:
    """Turns errors of the readers within the block into `FormatError`."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, *_: object) -> None:
        if isinstance(error, _READ_ERRORS):
            problem = str(error) or type(error).__name__
            raise FormatError(
                self._path, f"the archive is truncated or damaged ({problem}): fetch it again"
            ) from error


def _blocks(opener: ModuleType, path: str) -> Iterator[bytes]:
    with opener.open(path, "rb") as stream:
        yield from iter(lambda: stream.read(_CHUNK), b"")


class _Forward:
    """A stream of blocks with `read(size)` and `seek(position)`, which goes forward by reading.

    A thread reads blocks ahead while the caller looks at headers and writes files.
    """

    _AHEAD = 8  # blocks, of up to 4 MB

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks: queue.Queue[bytes | Exception] = queue.Queue(self._AHEAD)
        self._block, self._start, self._position = b"", 0, 0  # _start: where the block begins
        self._closing = False
        self._thread = threading.Thread(target=self._fill, args=(blocks,), daemon=True)
        self._thread.start()

    def _fill(self, blocks: Iterable[bytes]) -> None:
        try:
            for block in blocks:
                self._blocks.put(block)
                if self._closing:
                    return
            self._blocks.put(b"")
        except Exception as error:  # raised where the block is requested
            self._blocks.put(error)

    def _next_block(self) -> bool:
        """Make the next block the current one; False at the end of the stream."""
        self._start += len(self._block)
        self._block = b""
        block = self._blocks.get()
        if isinstance(block, bytes) and block:
            self._block = block
            return True
        self._blocks.put(block)  # for later requests
        if isinstance(block, Exception):
            raise block
        return False

    def seek(self, target: int, /) -> int:
        if target < self._start:
            raise OSError("a compressed archive cannot be read backwards")
        while target > self._start + len(self._block) and self._next_block():
            pass
        self._position = min(target, self._start + len(self._block))
        return self._position

    def read(self, size: int, /) -> bytes:
        parts = []
        while size > 0:
            offset = self._position - self._start
            part = self._block[offset : offset + size]
            if not part and not self._next_block():
                break
            parts.append(part)
            self._position += len(part)
            size -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        self._closing = True
        while self._thread.is_alive():
            with contextlib.suppress(queue.Empty):
                self._blocks.get(timeout=0.01)


def _tar_members(path: str, open_stream: Callable[[], ForwardStream]) -> Iterator[Member]:
    with _Reading(path), contextlib.closing(open_stream()) as file:

        def opener() -> AbstractContextManager[_Readable]:
            return contextlib.nullcontext(file)  # which stays open for the next member

        for name, size, is_plain in tar_entries(file, path):
            yield Member(path, _safe_name(path, name), size, is_plain, opener)


def _zip_members(path: str) -> Iterator[Member]:
    with _Reading(path):
        archive = zipfile.ZipFile(path)
    with archive:
        for info in sorted(archive.infolist(), key=lambda info: _image_sets_first(info.filename)):
            name = _safe_name(path, _entry_name(info))
            if not info.is_dir():
                # The upper half holds Unix's mode where the archive was made on Unix, else 0.
                mode = info.external_attr >> 16
                is_plain = stat.S_IFMT(mode) in (0, stat.S_IFREG)
                opener = functools.partial(archive.open, info)
                yield Member(path, name, info.file_size, is_plain, opener)


def _entry_name(info: zipfile.ZipInfo) -> str:
    """The name of a zip's entry, with `/` between its parts.

    macOS and others write UTF-8 without the mark that says so, which is then read as code page 437.
    """
    name = info.filename.replace("\\", "/")
    if not info.flag_bits & _UTF8_FLAG and not name.isascii():
        with contextlib.suppress(UnicodeError):
            return name.encode("cp437").decode("utf-8")
    return name


def _folder_members(path: str) -> Iterator[Member]:
    for name in sorted(_files_below(path), key=_image_sets_first):
        full = os.path.join(path, name)
        is_plain = os.path.isfile(full)
        opener = functools.partial(_open_file, full)
        yield Member(path, name, os.path.getsize(full), is_plain, opener)


def _open_file(path: str) -> BinaryIO:
    return open(path, "rb")


def _files_below(path: str, prefix: str = "", above: tuple[str, ...] = ()) -> Iterator[str]:
    """Names of the files under `path`. Links are followed: in a folder the user made them."""
    above += (os.path.realpath(path),)
    with os.scandir(path) as entries:
        for entry in entries:
            if not entry.is_dir():
                if os.path.exists(entry.path):
                    yield prefix + entry.name
            elif len(above) < _FOLDER_DEPTH and os.path.realpath(entry.path) not in above:
                yield from _files_below(entry.path, f"{prefix}{entry.name}/", above)


def _safe_name(archive: str, name: str) -> str:
    """`name` without empty parts and `.`; `FormatError` if it leads out of the archive."""
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "\0" in name or parts[0].endswith(":"):
        raise FormatError(
            archive,
            f"refused: member {name!r} would be written outside the folder it is unpacked into",
        )
    if "" in parts or "." in parts:
        return "/".join(part for part in parts if part not in ("", "."))
    return name


def _image_sets_first(name: str) -> tuple[bool, str]:
    return "ImageSets" not in name.split("/"), name
