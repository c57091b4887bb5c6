"""How much memory this process may use, and what its heap does with what was freed.

It may use the machine's, or less where a container limits it. Limits of Linux control groups are
read in both versions of their files, for the process's own group and all groups above it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Version(NamedTuple):
    """Names of the files in which a version of control groups has its numbers."""

    folder: str
    limit: str
    used: str
    # The line of `memory.stat` with the bytes of cached files
    cached: str


_GROUPS = "sys/fs/cgroup"
_VERSION_1 = _Version(
    f"{_GROUPS}/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
)
_VERSION_2 = _Version(_GROUPS, "memory.max", "memory.current", "inactive_file")


def total_memory(root: str = "/") -> int | None:
    """Bytes of memory that this process may use in total, or None if the system does not report it.

    `root` is the folder that has `proc` and `sys`.
    """
    memory = _table(os.path.join(root, "proc/meminfo")).get("MemTotal:")
    if memory is None:
        return _physical_memory() if root == "/" else None
    return min([memory << 10, *(limit for limit, _ in _limits(root))])


def available_memory(root: str = "/") -> int | None:
    """Bytes of memory that are free or can be freed, or None if the system does not report it.

    In a container, this is what its limit leaves, if that is less than the machine has. `root` is
    the folder that has `proc` and `sys`.
    """
    free = _table(os.path.join(root, "proc/meminfo")).get("MemAvailable:")
    if free is None:
        return None
    return min([free << 10, *(max(0, limit - used) for limit, used in _limits(root))])


def _physical_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None  # no such system call, as on Windows


def _limits(root: str) -> Iterator[tuple[int, int]]:
    """(limit, bytes in use) of each control group around this process that has a limit."""
    for version, group in _groups(os.path.join(root, "proc/self/cgroup")):
        while True:
            folder = os.path.join(root, version.folder, group)
            limit = _number(os.path.join(folder, version.limit))
            used = _number(os.path.join(folder, version.used))
            if limit is not None and used is not None:
                # Cached files count as used, but are dropped when memory is needed.
                cached = _table(os.path.join(folder, "memory.stat")).get(version.cached, 0)
                yield limit, max(0, used - cached)
            if not group:
                break
            group = os.path.dirname(group)


def _groups(path: str) -> Iterator[tuple[_Version, str]]:
    """The control groups of this process that may limit memory, by the file at `path`."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except (OSError, ValueError):
        lines = []
    for fields in lines:
        if len(fields) == 3 and (fields[1] == "" or "memory" in fields[1].split(",")):
            # Inside a container, the path may be the host's: then only the top group is found.
            yield _VERSION_2 if fields[1] == "" else _VERSION_1, fields[2].strip("/")


def _table(path: str) -> dict[str, int]:
    """A file of lines `name number ...` as a dict; empty if it cannot be read."""
    try:
        with open(path, encoding="ascii") as file:
            rows = [line.split() for line in file]
        return {row[0]: int(row[1]) for row in rows if len(row) > 1}
    except (OSError, ValueError):
        return {}


def _number(path: str) -> int | None:
    """The number in a file, or None if there is none (`max` means no limit)."""
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


# glibc's parameters, and how far it raises them by itself
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_MOST_TRIM, _MOST_MMAP = 64 << 20, 32 << 20


def map_blocks_from(size: int) -> None:
    """Let this process's heap map blocks of `size` bytes and more one by one: freed ones go back.

    Nothing with C libraries other than glibc.
    """
    _set_heap(_MMAP_THRESHOLD, size)


def keep_freed_blocks() -> None:
    """Let this process's heap keep 64 MiB that were freed, and take blocks of up to 32 MiB from it.

    glibc goes as far by itself once it has freed a block of that size. Before, arrays of some
    megabytes that come and go are mapped, and filled with zeros by the kernel, each time. Nothing
    with C libraries other than glibc.
    """
    _set_heap(_MMAP_THRESHOLD, _MOST_MMAP)
    _set_heap(_TRIM_THRESHOLD, _MOST_TRIM)


def _set_heap(parameter: int, value: int) -> None:
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(parameter, value)
