"""Downloads public archives and weights by name and verifies their checksums.

`downloads.csv` lists them. gdown does the transfer and resumes where an earlier attempt stopped.
Where no checksum is published, the length that the server states and the kind of the file are
checked: a page that says sorry, an empty file and half an archive are refused.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import inspect
import os
import shutil
import zlib
from typing import Any, NamedTuple

from caffeformat import InputError, atomic_write, read_caffemodel
from caffeformat.files import locked, open_file
from fcnkit.files import members
from fcnkit.progress import Progress


class Download(NamedTuple):
    """A public file."""

    name: str  # its name in this project
    file: str  # the file's own name
    url: str
    checksum: str  # `<algorithm>:<hex digits>`, perhaps only the first ones; "" if unpublished
    license: str
    note: str


_LIST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "downloads.csv")
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
_HEAD = 512  # bytes that show a web page
_TAR_END = 1024  # bytes
_PATIENCE: dict[str, Any] = {"timeout": 60, "retries": 3}  # seconds between bytes; attempts


def known_downloads() -> list[Download]:
    """Everything in the list."""
    with open(_LIST, newline="", encoding="utf-8") as file:
        return [Download(**row) for row in csv.DictReader(file)]


def find_download(name: str) -> Download:
    """Find the download of that name, or the only one that begins with it, ignoring case.

    Raises `InputError` listing the known names.
    """
    known = known_downloads()
    names = [download.name.lower() for download in known]
    begin = [i for i, other in enumerate(names) if other.startswith(name.lower())]
    if name.lower() in names:
        return known[names.index(name.lower())]
    if name and len(begin) == 1:
        return known[begin[0]]
    listed = ", ".join(download.name for download in known)
    raise InputError(f"{name!r} does not name exactly one known download: {listed}")


def fetch(
    name: str,
    folder: str | os.PathLike[str],
    from_file: str | os.PathLike[str] | None = None,
    url: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> str:
    """Fetch the file called `name` into `folder` and return its path.

    A file that is already there with the right checksum is not fetched again. What an interrupted
    attempt has received is kept beside it, and the next attempt resumes from there. The file gets
    its final name only when nothing is wrong with it, see `problem_with`.

    from_file   a copy on disk, used instead of the network if nothing is wrong with it
    url         another place to fetch it from
    force       whether a file with the wrong checksum is replaced
    progress    receives the megabytes

    Raises `InputError` if the file cannot be fetched, something is wrong with it, or another
    process is fetching it.
    """
    download = find_download(name)
    folder = os.fspath(folder)
    path = os.path.join(folder, download.file)
    if os.path.exists(path) and not force:
        problem = problem_with(path, download)
        if problem is None:
            return path
        raise InputError(
            f"{problem}: move it away, or pass {{option}} to replace it", "force", True
        )
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: expected a folder to put {download.file} into, found none")
    with locked(path):
        if from_file is not None:
            _copy(os.fspath(from_file), path, download)
        else:
            _transfer(url or download.url, path, download, progress or Progress())
    return path


def problem_with(path: str, download: Download) -> str | None:
    """Describe what is wrong with a file: its checksum, or without one its kind; None if nothing.

    Of an archive or a caffemodel without a checksum, all headers are read, and what is compressed
    as a whole is unpacked, so that none that ends early passes.
    """
    if download.checksum:
        return wrong_checksum(path, download)
    with open_file(path) as file:
        head = file.read(_HEAD).lstrip().lower()
    if not head:
        return f"{path}: is not {download.name}: it is empty"
    if head.startswith((b"<!doctype html", b"<html")):
        return f"{path}: is not {download.name}: it is a web page, which may say why"
    try:
        if download.file.endswith(_ARCHIVES):
            if not sum(1 for _ in members(path)):
                return f"{path}: is not {download.name}: it holds no files"
            whole = _ends_as_tar if download.file.endswith(".tar") else _ends_as_gzip
            if not download.file.endswith(".zip") and not whole(path):
                return f"{path}: is not all of {download.name}: it ends early"
        elif download.file.endswith(".caffemodel"):
            read_caffemodel(path)
    except InputError as error:
        return f"{path}: is not {download.name}, or not all of it: {error}"
    return None


def _ends_as_tar(path: str) -> bool:
    """Whether a tar ends as all do, in two empty blocks."""
    with open_file(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAR_END))
        return size % 512 == 0 and not any(file.read())


def _ends_as_gzip(path: str) -> bool:
    """Whether a gzip file can be read to its end, also what lies behind the end of the tar."""
    try:
        with open_file(path) as file, gzip.open(file) as content:
            while content.read(1 << 20):
                pass
    except (OSError, EOFError, zlib.error):
        return False
    return True


def wrong_checksum(path: str, download: Download) -> str | None:
    """Describe what is wrong with the checksum of a file; None if it is right or unknown."""
    if not download.checksum:
        return None
    algorithm, _, expected = download.checksum.partition(":")
    found = file_checksum(path, algorithm)
    if found.startswith(expected):
        return None
    return f"{path}: is not {download.name}: its {algorithm} is {found}, expected {expected}"


def file_checksum(path: str, algorithm: str) -> str:
    """The checksum of a file in hex digits."""
    digest = hashlib.new(algorithm)
    try:
        with open_file(path) as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def _copy(source: str, path: str, download: Download) -> None:
    problem = problem_with(source, download)
    if problem:
        raise InputError(problem)
    with open_file(source) as given, atomic_write(path) as file:
        shutil.copyfileobj(given, file, 1 << 20)


def _transfer(url: str, path: str, download: Download, progress: Progress) -> None:
    try:
        import gdown
    except ImportError as error:
        raise InputError(
            f"fetching {download.name} needs the package gdown: install it, or fetch {url} "
            f"yourself and put it into {os.path.dirname(os.path.abspath(path))}"
        ) from error
    # A name that nobody else gives, until the file is known to be right, and another one for each
    # address, so that halves of two files do not meet. gdown keeps what it has received so far in
    # a file beside it whose name begins with this one.
    digest = hashlib.sha256(f"{download.file} {url}".encode()).hexdigest()[:16]
    received = os.path.join(os.path.dirname(path), f".{download.file}.{digest}.fcnkit-part")
    length: int | None = None

    def report(done: int, total: int | None) -> None:
        nonlocal length
        length = total
        progress.step(done >> 20, None if total is None else total >> 20, download.file)

    # Older releases of gdown lack some of these.
    known = inspect.signature(gdown.download).parameters
    more = {**_PATIENCE, "progress": report}
    more = {name: value for name, value in more.items() if name in known}
    try:
        gdown.download(url, received, quiet=True, use_cookies=False, resume=True, **more)
    except Exception as error:  # gdown's errors and those of requests have no base in common
        raise InputError(
            f"{url}: cannot be fetched: {error}: run again to resume, or fetch {download.file} "
            f"elsewhere and put it into {os.path.dirname(os.path.abspath(path))}"
        ) from error
    size = os.path.getsize(received)
    if length is not None and size != length:
        problem: str | None = f"{url}: {size} of {length} bytes were received"
    else:
        problem = problem_with(received, download)
    if problem:
        os.unlink(received)
        raise InputError(f"{problem}; it has been removed")
    os.replace(received, path)
    progress.done()
