"""Temporary files and folders beside what they become; those of killed processes are removed.

Each has a name that nobody else gives and is locked while its process lives. A folder holds `owner`
(the locked file, which says what the folder is for), `new` (what is being written) and `replaced`
(what was in the way, until all is in place).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from typing import TYPE_CHECKING

from caffeformat.errors import InputError

from .locks import claim, hold, let_go, locked, own_kind, own_name, take_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

_OWNER, _NEW, _REPLACED, _WHOLE = "owner", "new", "replaced", "replaced_whole"
_MARK = b"temporary folder of fcnkit, removed when its process ends; for:\n"
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)

# How long after looking for left-overs in a folder this process does not look again, as a multiple
# of the time it took: folders may be large, and each of their files be written by itself.
_REST = 20
_looked: dict[str, float] = {}  # folder -> when to look again


def create_file(folder: str, name: str) -> tuple[int, str]:
    """Create a locked temporary file in `folder` for a file `name`: (descriptor, path)."""
    start = time.monotonic()
    if start >= _looked.get(folder, 0):
        clean(folder)
        end = time.monotonic()
        _looked[folder] = end + _REST * (end - start)
    while True:
        path = os.path.join(folder, own_name(name, "file"))
        descriptor = os.open(path, _CREATE, 0o666)
        if claim(descriptor, path):
            return descriptor, path
        os.close(descriptor)  # taken for a left-over before it was locked


class TemporaryFolder:
    """A folder, `path`, that `publish` renames to `target`, or `remove` removes.

    `target` may be a link to a folder: then the folder behind it is meant. OSErrors are passed on.
    """

    def __init__(self, target: str | os.PathLike[str]) -> None:
        self.target = os.path.realpath(target)
        self._parent, self._name = os.path.split(self.target)
        os.makedirs(self._parent, exist_ok=True)
        clean(self._parent)
        self._place, self._owner = self._create()
        self._process = os.getpid()
        hold(self._owner)
        os.write(self._owner, _MARK + os.fsencode(self._name))
        self.path = os.path.join(self._place, _NEW)
        os.mkdir(self.path)

    def _create(self) -> tuple[str, int]:
        while True:
            place = os.path.join(self._parent, own_name(self._name, "folder"))
            os.mkdir(place)
            owner = os.path.join(place, _OWNER)
            try:
                descriptor = os.open(owner, _CREATE, 0o666)
            except FileNotFoundError:  # taken for a left-over before it was marked
                continue
            if claim(descriptor, owner):
                return place, descriptor
            os.close(descriptor)

    def publish(self, replace: str = "nothing") -> None:
        """Give the folder its name.

        What is there stays, and an OSError is raised, unless `replace` is "entries" (of the same
        names, in a folder) or "all". If it fails, or the process is killed, what was replaced comes
        back where nothing new is yet.
        """
        is_folder = os.path.isdir(self.target)
        if replace == "entries" and is_folder:
            aside = os.path.join(self._place, _REPLACED)
            os.mkdir(aside)
            for name in os.listdir(self.path):
                old = os.path.join(self.target, name)
                if os.path.lexists(old):
                    os.replace(old, os.path.join(aside, name))
                os.replace(os.path.join(self.path, name), old)
        else:
            if is_folder and not os.listdir(self.target):
                os.rmdir(self.target)
            elif replace == "all" and os.path.lexists(self.target):
                os.rename(self.target, os.path.join(self._place, _WHOLE))
            os.rename(self.path, self.target)
        self.remove()

    def remove(self) -> None:
        """Remove what was not published; may be called twice."""
        if self._owner >= 0 and os.getpid() == self._process:
            _give_back(self._place, self.target)
            _remove_folder(self._place)
            let_go(self._owner)
            self._owner = -1


def clean(folder: str) -> None:
    """Remove what killed processes left in `folder`: nothing that lacks our name and mark."""
    try:
        with os.scandir(folder) as entries:
            found = [(entry.path, own_kind(entry.name)) for entry in entries]
    except OSError:
        return
    for path, kind in found:
        with contextlib.suppress(OSError):
            if kind == "folder":
                _clean_folder(path, folder)
            elif kind is not None:
                with _owned(path):
                    os.unlink(path)


def entries_of(folder: str | os.PathLike[str]) -> list[str]:
    """The sorted names in `folder`, which must be there, without what is temporary and ours."""
    clean(os.fspath(folder))
    return sorted(name for name in os.listdir(folder) if own_kind(name) is None)


@contextlib.contextmanager
def claimed_folder(path: str | os.PathLike[str]) -> Iterator[None]:
    """Make the folder `path` and keep other processes from it while its files are written in place.

    A folder that was not there and gets none is removed again. Raises `InputError` where nothing
    can be written, or another process writes.
    """
    shown, real = os.fspath(path), os.path.realpath(path)
    was_there = os.path.isdir(real)
    try:
        os.makedirs(real, exist_ok=True)
    except OSError as error:
        raise InputError(f"{shown}: cannot write here: {error.strerror}") from error
    try:
        with locked(path, inside=True):
            clean(real)
            yield
    finally:
        if not was_there:
            with contextlib.suppress(OSError):
                os.rmdir(real)


def is_temporary(path: str | os.PathLike[str]) -> bool:
    """Whether `path` lies in a temporary folder of ours, or is something temporary of ours."""
    return any(map(own_kind, os.path.realpath(path).split(os.sep)))


def _clean_folder(path: str, parent: str) -> None:
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        return
    if not os.listdir(path):
        os.rmdir(path)  # killed before it was marked
        return
    with _owned(os.path.join(path, _OWNER)) as descriptor:
        text = os.read(descriptor, 4096)
        if not text.startswith(_MARK):
            if not text and os.listdir(path) == [_OWNER]:  # killed while it was marked
                _remove_folder(path)
            return
        name = os.fsdecode(text[len(_MARK) :])
        if name and os.path.basename(name) == name:
            _give_back(path, os.path.join(parent, name))
        _remove_folder(path)


@contextlib.contextmanager
def _owned(path: str) -> Iterator[int]:
    """Open and lock the regular file at `path`; OSError where its process is alive."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags)
    try:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        if not is_file or take_lock(descriptor) is not True or not claim(descriptor, path):
            raise OSError(f"{path} is in use")
        yield descriptor
    finally:
        os.close(descriptor)


def _give_back(place: str, target: str) -> None:
    """Move what was replaced back where nothing has taken its place."""
    with contextlib.suppress(OSError):
        whole = os.path.join(place, _WHOLE)
        if os.path.lexists(whole) and not os.path.lexists(target):
            os.rename(whole, target)
        aside = os.path.join(place, _REPLACED)
        for name in os.listdir(aside) if os.path.isdir(aside) else ():
            if not os.path.lexists(os.path.join(target, name)):
                os.rename(os.path.join(aside, name), os.path.join(target, name))


def _remove_folder(place: str) -> None:
    """Remove a temporary folder, its mark last, so that none is left without one."""
    for name in (_NEW, _REPLACED, _WHOLE):
        path = os.path.join(place, name)
        if os.path.lexists(path) and (os.path.islink(path) or not os.path.isdir(path)):
            os.unlink(path)
        else:
            shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(OSError):
        if os.listdir(place) == [_OWNER]:
            os.unlink(os.path.join(place, _OWNER))
            os.rmdir(place)
