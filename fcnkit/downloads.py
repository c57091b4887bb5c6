"""Downloads public archives and weights by name and verifies their checksums.

`downloads.csv` lists them. gdown does the transfer: it shows progress and resumes where an earlier
attempt stopped.
"""

from __future__ import annotations

import csv
import hashlib
import inspect
import os
import shutil
from typing import Any, NamedTuple

from caffeformat import InputError, atomic_write


class Download(NamedTuple):
    """A public file."""

    name: str  # its name in this project
    file: str  # the file's own name
    url: str
    checksum: str  # `<algorithm>:<hex digits>`, perhaps only the first ones; "" if unpublished
    license: str
    note: str


_LIST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "downloads.csv")
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
    quiet: bool = True,
) -> str:
    """Fetch the file called `name` into `folder` and return its path.

    A file that is already there with the right checksum is not fetched again. What an interrupted
    attempt has received is kept beside it, and the next attempt resumes from there. The file gets
    its final name only when its checksum is right.

    from_file   a copy on disk, used instead of the network if its checksum is right
    url         another place to fetch it from
    force       whether a file with the wrong checksum is replaced
    quiet       whether to hide the progress bar on stderr

    Raises `InputError` if the file cannot be fetched or its checksum is wrong.
    """
    download = find_download(name)
    folder = os.fspath(folder)
    path = os.path.join(folder, download.file)
    if os.path.exists(path) and not force:
        problem = wrong_checksum(path, download)
        if problem is None:
            return path
        raise InputError(
            f"{problem}: move it away, or pass {{option}} to replace it", "force", True
        )
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: expected a folder to put {download.file} into, found none")
    if from_file is not None:
        _copy(os.fspath(from_file), path, download)
    else:
        _transfer(url or download.url, path, download, quiet)
    return path


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
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def _copy(source: str, path: str, download: Download) -> None:
    problem = wrong_checksum(source, download)
    if problem:
        raise InputError(problem)
    with open(source, "rb") as given, atomic_write(path) as file:
        shutil.copyfileobj(given, file, 1 << 20)


def _transfer(url: str, path: str, download: Download, quiet: bool) -> None:
    try:
        import gdown
    except ImportError as error:
        raise InputError(
            f"fetching {download.name} needs the package gdown: install it, or fetch {url} "
            f"yourself and put it into {os.path.dirname(os.path.abspath(path))}"
        ) from error
    # A name of its own until the checksum is known to be right. gdown keeps what it has received
    # so far in a file beside it whose name begins with this one.
    received = path + ".unchecked"
    known = inspect.signature(gdown.download).parameters
    patience = {name: value for name, value in _PATIENCE.items() if name in known}
    try:
        gdown.download(url, received, quiet=quiet, use_cookies=False, resume=True, **patience)
    except Exception as error:  # gdown's errors and those of requests have no base in common
        raise InputError(
            f"{url}: cannot be fetched: {error}: run again to resume, or fetch {download.file} "
            f"elsewhere and put it into {os.path.dirname(os.path.abspath(path))}"
        ) from error
    problem = wrong_checksum(received, download)
    if problem:
        os.unlink(received)
        raise InputError(f"{problem}; it has been removed")
    os.replace(received, path)
