"""Iterates over the files of an archive or folder without unpacking anything.

`members(path)` reads tar, tar.gz, tar.bz2, tar.xz and zip archives and expanded folders. Tars are
read as streams, front to back. Nothing here writes to disk, and names that point out of the archive
are refused.
"""

from __future__ import annotations

import bz2
import contextlib
import functools
import hashlib
import lzma
import math
import os
import stat
import zipfile
from io import FileIO
from typing import TYPE_CHECKING

from caffeformat import FormatError, InputError, brief, printable, reading
from caffeformat.files import open_file

from .block_stream import BlockStream
from .gzip_stream import gzip_blocks
from .repeats import Repeats
from .tar_stream import is_tar_header, tar_entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from typing import BinaryIO, Protocol

    from .tar_stream import ForwardStream

    class _Readable(Protocol):
        def read(self, size: int, /) -> bytes: ...


_CHUNK = 1 << 20

# How the entries of a zip may be packed, and the names of other ways. Windows takes Deflate64 for
# large files.
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_NOT_UNPACKED = {9: "Deflate64", 93: "Zstandard", 95: "XZ", 98: "PPMd"}

# The bit of a zip entry's flags that says that its name is UTF-8.
_ENCRYPTED = 1
_UTF8_FLAG = 0x800

# What compressed data may expand to: deflate's best ratio. bzip2 can ask for twenty times as much,
# but an archive of images never does.
_MOST_EXPANSION, _EXPANSION_FROM = 1100, 64 << 20
_XZ_MEMORY = 256 << 20  # bytes; xz itself asks for 65 MB at most, unless told to take more

# How deep folders are searched, and how many links one path may follow; ADE20K has seven levels.
_FOLDER_DEPTH, _MOST_LINKS = 32, 4


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

    def check_plain(self) -> None:
        """Raise `InputError` for a link or a device."""
        if not self.is_plain:
            # In a folder links are followed.
            advice = (
                "" if os.path.isdir(self.archive) else ": unpack the archive, and pass the folder"
            )
            raise FormatError(
                self.archive, f"{self.name} is a link or a device, not a file{advice}"
            )

    def read_chunks(self) -> Iterator[bytes]:
        """Read the content in pieces of up to 1 MB; `FormatError` if it is shorter than `size`.

        Members of a tar can be read once, and only before the next member is requested.
        """
        self.check_plain()
        left = self.size
        with _reading(self.archive), self._open_stream() as stream:
            while left:
                chunk = stream.read(min(left, _CHUNK))
                if not chunk:
                    raise EOFError(f"{self.name} ends early")
                left -= len(chunk)
                yield chunk


# First bytes of archives that Python does not unpack.
_OTHER_ARCHIVES = {
    b"(\xb5/\xfd": "Zstandard",
    b"7z\xbc\xaf'\x1c": "7-Zip",
    b"Rar!": "RAR",
    b"\x04\x22\x4d\x18": "LZ4",
}


def members(path: str | os.PathLike[str]) -> Iterator[Member]:
    """Iterate over the files in the archive or folder at `path`, each name once.

    In folders and zips, files below a folder `ImageSets` come first; tars have their own order.
    Raises `InputError` if `path` is missing or of an unknown kind, or holds two files of one name
    and different contents, in a tar at the latest when all has been read; `FormatError` if it is
    truncated or damaged, or contains names that lead out of it (`/...`, `../`).
    """
    path = os.fspath(path)
    if os.path.isdir(path):
        return _folder_members(path)
    with open_file(path) as file:
        head = file.read(512)
    if head[:2] == b"PK":
        return _zip_members(path)
    if head[:2] == b"\x1f\x8b":
        return _tar_members(path, lambda: BlockStream(gzip_blocks(path)))
    if head[:3] == b"BZh":
        return _tar_members(path, lambda: BlockStream(_bzip2_blocks(path)))
    if head[:6] == b"\xfd7zXZ\0":
        return _tar_members(path, lambda: BlockStream(_xz_blocks(path)))
    if is_tar_header(head):
        return _tar_members(path, lambda: _open_unbuffered(path), os.path.getsize(path))
    kind = next((kind for start, kind in _OTHER_ARCHIVES.items() if head.startswith(start)), None)
    if kind is not None:
        raise InputError(
            f"{path}: is a {kind} archive, expected a folder or a tar, tar.gz, tar.bz2, tar.xz or "
            "zip archive: unpack it, and pass the folder"
        )
    raise InputError(
        f"{path}: expected a folder or a tar, tar.gz, tar.bz2, tar.xz or zip archive, found "
        f"something else ({len(head)} bytes beginning with {head[:8]!r})"
    )


def _reading(path: str) -> AbstractContextManager[None]:
    return reading(path, "the archive is truncated or damaged: fetch it again")


def _bzip2_blocks(path: str) -> Iterator[bytes]:
    with bz2.open(path, "rb") as stream:
        yield from _bounded(path, iter(lambda: stream.read(_CHUNK), b""))


def _xz_blocks(path: str) -> Iterator[bytes]:
    return _bounded(path, _xz_streams(path))


def _xz_streams(path: str) -> Iterator[bytes]:
    """The content of the streams of an xz file, one after the other."""
    with open_file(path) as file:
        data = file.read(_XZ_PIECE)
        while data:
            decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
            while not decoder.eof:
                if decoder.needs_input and not data:
                    data = file.read(_XZ_PIECE)
                    if not data:
                        raise EOFError("the compressed data ends early")
                yield decoder.decompress(data, _CHUNK)
                data = b""
            data = decoder.unused_data.lstrip(b"\0")  # streams may be padded
            while not data and (more := file.read(_XZ_PIECE)):
                data = more.lstrip(b"\0")


_XZ_PIECE = 1 << 16


def _bounded(path: str, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Pass blocks on until they are more than the compressed file at `path` may expand to."""
    most = _most_expanded(os.path.getsize(path))
    total = 0
    for block in blocks:
        total += len(block)
        if total > most:
            raise FormatError(path, _too_large(total, most))
        if block:
            yield block


def _most_expanded(packed: int) -> int:
    return _EXPANSION_FROM + _MOST_EXPANSION * packed


def _too_large(size: int, most: int) -> str:
    return f"refused: it claims {size} bytes or more, expected at most {most} for its packed size"


def _tar_members(
    path: str, open_stream: Callable[[], ForwardStream], length: float = math.inf
) -> Iterator[Member]:
    found = Repeats(path)
    again: set[str] = set()  # names of two files of one size
    for member in _tar_entries(path, open_stream, length):
        if found.is_new(member.name, member.size if member.is_plain else None):
            yield member
        elif member.size and member.is_plain:
            again.add(member.name)
    if again:
        sums = Repeats(path)
        for member in _tar_entries(path, open_stream, length):
            if member.name in again:
                checksum = hashlib.sha256()
                for chunk in member.read_chunks():
                    checksum.update(chunk)
                sums.is_new(member.name, checksum.digest())


def _tar_entries(
    path: str, open_stream: Callable[[], ForwardStream], length: float
) -> Iterator[Member]:
    with _reading(path), contextlib.closing(open_stream()) as file:

        def opener() -> AbstractContextManager[_Readable]:
            return contextlib.nullcontext(file)  # which stays open for the next member

        for name, size, is_plain in tar_entries(file, path, length):
            safe = _safe_name(path, name)
            if safe:
                yield Member(path, safe, size, is_plain, opener)


def _zip_members(path: str) -> Iterator[Member]:
    with open_file(path) as file, contextlib.ExitStack() as stack:
        with _reading(path):
            archive = stack.enter_context(zipfile.ZipFile(file))
        entries = archive.infolist()
        if sum(info.compress_size for info in entries) > os.path.getsize(path):
            raise FormatError(path, "refused: its members overlap, or are longer than the archive")
        strange = next((i for i in entries if i.file_size and i.compress_type not in _PACKED), None)
        if strange is not None:
            method = strange.compress_type
            raise InputError(
                f"{path}: {printable(strange.filename)} is packed with "
                f"{_NOT_UNPACKED.get(method, f'method {method}')}, which cannot be read here: "
                "unpack the archive, and pass the folder"
            )
        locked = next(
            (info for info in entries if info.flag_bits & _ENCRYPTED and info.file_size), None
        )
        if locked is not None:
            raise InputError(
                f"{path}: {printable(locked.filename)} is encrypted: unpack the archive with its "
                "password, and pass the folder"
            )
        unsorted = _zip_entries(path, archive)
        yield from sorted(unsorted, key=lambda member: _image_sets_first(member.name))


def _zip_entries(path: str, archive: zipfile.ZipFile) -> Iterator[Member]:
    found = Repeats(path)
    for info in archive.infolist():
        name = _safe_name(path, _entry_name(info))
        if name and not info.filename.endswith(("/", "\\")):
            most = _most_expanded(info.compress_size)
            if info.file_size > most:
                raise FormatError(path, f"{name}: {_too_large(info.file_size, most)}")
            # The upper half holds Unix's mode where the archive was made on Unix, else 0.
            mode = info.external_attr >> 16
            is_plain = stat.S_IFMT(mode) in (0, stat.S_IFREG)
            if found.is_new(name, (info.CRC, info.file_size, is_plain)):
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


def _open_unbuffered(path: str) -> FileIO:
    with open_file(path) as file:
        return FileIO(os.dup(file.fileno()))


def _open_file(path: str) -> BinaryIO:
    return open_file(path)


def _files_below(
    path: str, prefix: str = "", above: tuple[str, ...] = (), links: int = 0
) -> Iterator[str]:
    """Names of the files under `path`. Links are followed: in a folder the user made them.

    Raises `InputError` rather than leave out what lies too deep.
    """
    above += (os.path.realpath(path),)
    with os.scandir(path) as entries:
        for entry in entries:
            if not entry.is_dir():
                if os.path.exists(entry.path):
                    yield prefix + entry.name
                continue
            followed = links + entry.is_symlink()
            if os.path.realpath(entry.path) in above:
                continue
            if len(above) >= _FOLDER_DEPTH or followed > _MOST_LINKS:
                raise InputError(
                    f"{entry.path}: lies below more than {_FOLDER_DEPTH} folders or {_MOST_LINKS} "
                    "links: pass a folder nearer to its files"
                )
            yield from _files_below(entry.path, f"{prefix}{entry.name}/", above, followed)


def _safe_name(archive: str, name: str) -> str:
    """`name` without empty parts and `.`, "" for the folder itself.

    Raises `FormatError` if there is none, or if it leads out of the archive.
    """
    parts = name.split("/")
    if not name:
        raise FormatError(archive, "has a member without a name: damaged, fetch it again")
    if name.startswith("/") or ".." in parts or "\0" in name or parts[0].endswith(":"):
        raise FormatError(
            archive,
            f"refused: member {brief(name)} would be written outside the folder it is unpacked "
            "into",
        )
    if "" in parts or "." in parts:
        return "/".join(part for part in parts if part not in ("", "."))
    return name


def _image_sets_first(name: str) -> tuple[bool, str]:
    return "ImageSets" not in name.split("/"), name
