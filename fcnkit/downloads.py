"""Public archives and weights by name: where they are, what they should be, fetching them.

`downloads.csv` lists them. gdown does the transfer: progress, and going on where an earlier attempt
stopped.
"""

import collections
import csv
import hashlib
import inspect
import os
import shutil

from caffeformat import InputError
from caffeformat.files import atomic_write

# One public file: its name here, the file's own, where it is, `<algorithm>:<hex digits>` (the first
# ones where no more are published) or "" where nobody publishes a checksum, its license, a note.
Download = collections.namedtuple("Download", "name file url checksum license note")

_LIST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "downloads.csv")
_PATIENCE = {"timeout": 60, "retries": 3}  # seconds between bytes; attempts


def known_downloads():
    """Everything in the list, as `Download`s."""
    with open(_LIST, newline="", encoding="utf-8") as file:
        return [Download(**row) for row in csv.DictReader(file)]


def find_download(name):
    """The `Download` of that name, or the only one that begins with it; case does not matter.

    Raises `InputError` with the names that there are.
    """
    known = known_downloads()
    names = [download.name.lower() for download in known]
    begin = [i for i, other in enumerate(names) if other.startswith(name.lower())]
    if name.lower() in names:
        return known[names.index(name.lower())]
    if name and len(begin) == 1:
        return known[begin[0]]
    listed = ", ".join(download.name for download in known)
    raise InputError(f"{name!r} is not the name of one thing that can be fetched: {listed}")


def fetch(name, folder, from_file=None, url=None, force=False, quiet=True):
    """Fetch the file called `name` into `folder`; returns its path.

    A file that is there already and has the right checksum is not fetched again. What an attempt
    that was cut short has received is kept beside it, and the next attempt goes on from there. The
    file gets its name when its checksum is right.

    from_file   a copy on disk, used instead of the network if its checksum is right
    url         another place to fetch it from
    force       whether a file with the wrong checksum is replaced
    quiet       whether there is no progress bar on stderr

    Raises `InputError` where it cannot be had, or where the checksum is wrong.
    """
    download = find_download(name)
    folder = os.fspath(folder)
    path = os.path.join(folder, download.file)
    if os.path.exists(path) and not force:
        problem = wrong_checksum(path, download)
        if problem is None:
            return path
        raise InputError(f"{problem}: move it away, or replace it with --force")
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: expected a folder to put {download.file} into")
    if from_file is not None:
        _copy(os.fspath(from_file), path, download)
    else:
        _transfer(url or download.url, path, download, quiet)
    return path


def wrong_checksum(path, download):
    """What is wrong with the checksum of the file at `path`; None where it is right or unknown."""
    if not download.checksum:
        return None
    algorithm, _, expected = download.checksum.partition(":")
    found = file_checksum(path, algorithm)
    if found.startswith(expected):
        return None
    return f"{path}: is not {download.name}: its {algorithm} is {found}, expected {expected}"


def file_checksum(path, algorithm):
    """The checksum of a file in hex digits."""
    digest = hashlib.new(algorithm)
    try:
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def _copy(source, path, download):
    problem = wrong_checksum(source, download)
    if problem:
        raise InputError(problem)
    with open(source, "rb") as given, atomic_write(path) as file:
        shutil.copyfileobj(given, file, 1 << 20)


def _transfer(url, path, download, quiet):
    try:
        import gdown
    except ImportError as error:
        raise InputError(
            f"fetching {download.name} needs the package gdown: install it, or fetch {url} "
            f"yourself and put it into {os.path.dirname(os.path.abspath(path))}"
        ) from error
    # A name of its own until the checksum is known to be right. gdown keeps what has come so far
    # in a file beside that begins with this name.
    received = path + ".unchecked"
    known = inspect.signature(gdown.download).parameters
    patience = {name: value for name, value in _PATIENCE.items() if name in known}
    try:
        gdown.download(url, received, quiet=quiet, use_cookies=False, resume=True, **patience)
    except Exception as error:  # gdown's errors and those of requests have no base in common
        raise InputError(
            f"{url}: cannot be fetched: {error}: run again to go on, or fetch {download.file} "
            f"elsewhere and put it into {os.path.dirname(os.path.abspath(path))}"
        ) from error
    problem = wrong_checksum(received, download)
    if problem:
        os.unlink(received)
        raise InputError(f"{problem}; it has been removed")
    os.replace(received, path)
