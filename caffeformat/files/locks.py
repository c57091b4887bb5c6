"""Locks that end with their process, however it ends, and names that nobody else gives.

A lock is `flock` on an open file. Where the system or the disk has none (Windows, some network
mounts), nothing is locked, and what a killed process left is not removed either.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import sys
import time
from typing import TYPE_CHECKING

from caffeformat.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Union

    Path = Union[str, os.PathLike[str]]

_NAME = re.compile(r"\..*\.[0-9a-f]{16}\.fcnkit-(file|folder|lock)", re.DOTALL)
# Characters of a target's name that a temporary name repeats; with four bytes each it stays within
# the 255 bytes of a file name.
_SHOWN = 40
# A process that was killed a moment ago may not have ended yet.
_PATIENCE, _PAUSE = 1.0, 0.05  # seconds

_held: set[int] = set()  # descriptors whose locks a forked process must not keep


if sys.platform == "win32":

    def take_lock(descriptor: int) -> bool | None:
        """None: this system has no such locks."""
        return None

else:
    import fcntl

    def take_lock(descriptor: int) -> bool | None:
        """Lock an open file: True if that worked, False if another one has it, None if unknown."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return False if error.errno in (errno.EWOULDBLOCK, errno.EACCES) else None
        return True


def own_name(name: str, kind: str) -> str:
    """A new name for something temporary that becomes `name`; `kind` is file or folder."""
    return f".{name[:_SHOWN]}.{secrets.token_hex(8)}.fcnkit-{kind}"


def lock_name(name: str) -> str:
    """The name of the lock for an output called `name`."""
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return f".{name[:_SHOWN]}.{digest}.fcnkit-lock"


def own_kind(name: str) -> str | None:
    """`file`, `folder` or `lock` for a name that this module gave; None for any other."""
    match = _NAME.fullmatch(name)
    return match[1] if match else None


def claim(descriptor: int, path: str) -> bool:
    """Lock the open file at `path`; False where another process has it or has removed it."""
    if take_lock(descriptor) is False:
        return False
    try:
        there, mine = os.stat(path, follow_symlinks=False), os.fstat(descriptor)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, mine)


def hold(descriptor: int) -> None:
    """Keep the lock of `descriptor` from processes that are forked from now on."""
    _held.add(descriptor)


def let_go(descriptor: int) -> None:
    """Close `descriptor`, and with it end its lock."""
    _held.discard(descriptor)
    with contextlib.suppress(OSError):
        os.close(descriptor)


def _forget_in_child() -> None:
    for descriptor in tuple(_held):
        let_go(descriptor)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)


@contextlib.contextmanager
def locked(path: Path, inside: bool = False, patience: float = _PATIENCE) -> Iterator[None]:
    """Keep other processes from writing the output at `path` while the block runs.

    The lock lies beside `path`, or with `inside` in the folder `path`, which must exist then.
    Raises `InputError` where another process holds it, `patience` seconds long: one that was killed
    a moment ago may not have ended yet, and holds nothing then.
    """
    shown, real = os.fspath(path), os.path.realpath(path)
    folder, name = (real, "folder") if inside else os.path.split(real)
    place = os.path.join(folder, lock_name(name))
    descriptor, pid = _wait_for_lock(shown, place, patience), os.getpid()
    hold(descriptor)
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, b"%d\n" % pid)
        yield
    finally:
        if os.getpid() == pid:
            with contextlib.suppress(OSError):
                os.unlink(place)
            let_go(descriptor)


def _wait_for_lock(shown: str, place: str, patience: float) -> int:
    """The descriptor of the locked file `place`."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    deadline = time.monotonic() + patience
    while True:
        try:
            descriptor = os.open(place, flags, 0o666)
        except OSError as error:
            raise InputError(f"{shown}: cannot write here: {error.strerror}") from error
        if claim(descriptor, place):
            return descriptor
        if time.monotonic() > deadline:
            owner = os.read(descriptor, 20).decode("ascii", "replace").strip()
            os.close(descriptor)
            process = f"another process ({owner})" if owner.isdigit() else "another process"
            raise InputError(
                f"{shown}: {process} is writing there: wait until it has ended, or choose another "
                "output"
            )
        os.close(descriptor)
        time.sleep(_PAUSE)
