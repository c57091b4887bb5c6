"""Files on the server that may be named on the pages: those under the data roots."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from caffeformat import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST = 2000  # entries of a listing


class Entry(NamedTuple):
    """A line of a listing."""

    name: str
    path: str
    is_folder: bool
    size: int


class Places:
    """The folders below which files may be named; none: no file may be."""

    def __init__(self, roots: Sequence[str] = ()) -> None:
        self.roots = [os.path.realpath(root) for root in roots]
        for root, given in zip(self.roots, roots):
            if not os.path.isdir(root):
                raise InputError(f"{given}: there is no such folder")

    def find(self, text: str) -> str:
        """Return the real path of a file or folder; `InputError` where it may not be named.

        `text` is an absolute path, or one below a root. What lies outside, also by way of a link,
        is refused in the same words whether it exists or not.
        """
        text = text.strip()
        if not self.roots:
            raise InputError(
                "files on the server cannot be named here: start it with {option}, or upload them",
                option="data_root",
            )
        if "\0" in text or not text:
            raise InputError("expected the path of a file or folder")
        for root in self.roots:
            path = os.path.realpath(os.path.join(root, text))
            if _is_below(path, root) and not _is_hidden(path, root) and os.path.exists(path):
                return path
        raise InputError(
            f"{text}: there is no such file or folder under {', '.join(self.roots)}, where files "
            "may be named"
        )

    def listing(self, text: str = "") -> tuple[str, list[Entry], int]:
        """Return (folder, its entries, how many more it has), folders first.

        Without `text`, it is the first root. Links to places that may not be named are left out.
        """
        folder = self.find(text or (self.roots[0] if self.roots else ""))
        if not os.path.isdir(folder):
            folder = os.path.dirname(folder)
        found = []
        if folder not in self.roots:
            found.append(Entry("..", os.path.dirname(folder), True, 0))
        elif len(self.roots) > 1:
            found += [Entry(root, root, True, 0) for root in self.roots if root != folder]
        try:
            with os.scandir(folder) as entries:
                here = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            raise InputError(f"{folder}: cannot be read: {error.strerror}") from error
        lines = []
        for entry in here:
            try:
                size, is_folder = entry.stat().st_size, entry.is_dir()
            except OSError:
                continue
            name = os.fsencode(entry.name).decode("utf-8", "replace")
            # Other names could not come back from a page.
            if name == entry.name and self._may_show(entry):
                lines.append(Entry(name, entry.path, is_folder, size))
        lines.sort(key=lambda line: (not line.is_folder, line.name.lower()))
        return folder, found + lines[:_MOST], max(0, len(lines) - _MOST)

    def _may_show(self, entry: os.DirEntry[str]) -> bool:
        if not entry.is_symlink():
            return True
        try:
            self.find(entry.path)
        except InputError:
            return False
        return True


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)


def _is_hidden(path: str, root: str) -> bool:
    """Whether a name below the root begins with a dot, as keys and settings do."""
    return any(part.startswith(".") for part in path[len(root) :].split(os.sep))
