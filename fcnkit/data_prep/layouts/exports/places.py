"""Finds the files that lists and annotations name, wherever the archive has them."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

from caffeformat import InputError

from ..image_sets import same_name
from .catalogue import image_stem
from .pairing import LABEL_WORDS, split_of, words_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .catalogue import File


class FileIndex:
    """Files by the ends of their paths, with and without suffix."""

    def __init__(self, files: Iterable[File]) -> None:
        self._by_end: dict[str, list[File]] = collections.defaultdict(list)
        for file in files:
            parts = same_name(file.name).split("/")
            for start in range(len(parts)):
                end = "/".join(parts[start:])
                self._by_end[end].append(file)
                stem = _without_suffix(end)
                if stem != end:
                    self._by_end[stem].append(file)

    def ending(self, end: str) -> Sequence[File]:
        """The files whose path, with or without suffix, ends in `end` at a folder's border."""
        return self._by_end.get(end, ())


class Finder:
    """Looks up the paths that one list or file of annotations names; `source` is its name.

    Of several files of a name, one below the folder `near` counts, then one in a folder of the set
    `split`, then one that is not in a folder of labels. Images (unless `of_labels`) are in no
    folder of labels, unless their path says so or the list is there, too.

    A path may come from another machine: folders at its beginning that the archive lacks are cut
    off. All paths of one folder have to be in one folder then, and none of another.
    """

    def __init__(
        self,
        index: FileIndex,
        source: str,
        near: str = "",
        split: str = "",
        of_labels: bool = False,
    ) -> None:
        self._index, self._source, self._near, self._split = index, source, near, split
        self._of_labels = of_labels
        self._folder_of: dict[str, str] = {}
        self._taken: dict[str, str] = {}

    def find(self, path: str, shorten: bool = True) -> File | None:
        """The file that `path` means; None if there is none.

        `shorten` says whether folders may be cut off. Raises `InputError` if it may be one of two.
        """
        parts = [part for part in same_name(path.replace("\\", "/")).split("/") if part != "."]
        parts = [part for part in parts if part]
        if "" in parts or not parts:
            return None
        for start in range(len(parts) if shorten else 1):
            end = "/".join(parts[start:])
            found = self._nearest(self._index.ending(end), end, path if start == 0 else None)
            if found is not None:
                is_one = self._of_labels or not self._is_label(parts, found)
                return found if is_one and self._agrees(parts, found) else None
        return None

    def _is_label(self, parts: Sequence[str], found: File) -> bool:
        """Whether a file that was named as an image is in a folder of labels."""
        folder = found.folder.rpartition("/")[2]
        if folder in parts or (self._near and found.folder == self._near):
            return False
        return bool(LABEL_WORDS.intersection(words_in(folder)))

    def _nearest(self, files: Sequence[File], end: str, path: str | None) -> File | None:
        """The only one of `files`, or the only one near the list, or not in a folder of labels.

        Of several none is meant; if `path` is the whole path that was named, that is an error.
        """
        if len(files) > 1:
            exact = [file for file in files if same_name(file.name).endswith(_as_suffix(end))]
            whole = [file for file in exact or files if same_name(file.name) == end]
            files = whole or exact or files
        if len(files) > 1 and self._near:
            near = [file for file in files if f"{file.folder}/".startswith(f"{self._near}/")]
            files = near or files
        if len(files) > 1 and self._split:
            files = [file for file in files if split_of(file.folder) == self._split] or files
        if len(files) > 1:
            others = [file for file in files if not LABEL_WORDS.intersection(words_in(file.folder))]
            files = others or files
        if len(files) > 1 and path is None:
            return None
        if len(files) > 1:
            raise InputError(
                f"{self._source}: {path} may be {files[0].name} or {files[1].name}: remove one of "
                "them"
            )
        return files[0] if files else None

    def _agrees(self, parts: Sequence[str], found: File) -> bool:
        """Whether the folder of `found` goes with what was found for other paths."""
        folder = "/".join(parts[:-1])
        same = self._folder_of.setdefault(folder, found.folder) == found.folder
        return same and self._taken.setdefault(found.folder, folder) == folder


def _without_suffix(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{image_stem(name)}"


def _as_suffix(end: str) -> str:
    return f"/{end}" if "/" in end else end
